// Package tiny makes small models with random weights, and their folders, for tests. What several packages' tests need of
// such models belongs here.
//
//	m := tiny.Load(t, tiny.Encoder(t)) // a BERT with a WordPiece tokenizer beside it, until the test ends
package tiny

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tokenizer"
)

// Write writes a file, and the folders above it, and returns its path.
func Write(t testing.TB, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// Load loads the model in a folder until the test ends.
func Load(t testing.TB, dir string) *model.Model {
	t.Helper()
	m, err := model.Load(t.Context(), dir, model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// Llama is the folder of the golden model of the Llama family; it has no tokenizer.
func Llama(t testing.TB) string {
	t.Helper()
	return golden.Roots(t, "models", "llama")[0]
}

// Bytes is a model of the embedded base's sizes, and its tokenizer, which is byte-level.
func Bytes(t testing.TB) (*model.Model, *tokenizer.Tokenizer) {
	t.Helper()
	base := filepath.Join(golden.Repository(t), "evaldata", "base")
	config, err := os.ReadFile(filepath.Join(base, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.New(config, model.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Load(base)
	if err != nil {
		t.Fatal(err)
	}
	return m, tok
}

// Vocabulary is Encoder's: special tokens, some words, letters and their continuations, digits.
func Vocabulary() []string {
	v := []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", ",", "?", "good", "(", ")", "bad", "film", "ann", "ulm", "where", "is", "in", "the"}
	for c := 'a'; c <= 'z'; c++ {
		v = append(v, string(c), "##"+string(c))
	}
	for c := '0'; c <= '9'; c++ {
		v = append(v, string(c))
	}
	return v
}

// Encoder is the folder of a BERT without a head, with a WordPiece tokenizer.
func Encoder(t testing.TB) string {
	t.Helper()
	return Folder(t, fmt.Sprintf(`{"model_type": "bert", "architectures": ["BertModel"], "vocab_size": %d, "hidden_size": 32, "intermediate_size": 48,
 "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 64, "type_vocab_size": 2, "initializer_range": 0.2}`, len(Vocabulary())))
}

// EncoderDecoder is the folder of a BART with an LM head, with Encoder's tokenizer.
func EncoderDecoder(t testing.TB) string {
	t.Helper()
	return Folder(t, fmt.Sprintf(`{"model_type": "bart", "architectures": ["BartForConditionalGeneration"], "vocab_size": %d, "d_model": 32,
 "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
 "max_position_embeddings": 64, "init_std": 0.2, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "decoder_start_token_id": 3}`, len(Vocabulary())))
}

// Folder is a folder with a model with random weights, made from a config.json, and Encoder's tokenizer.
func Folder(t testing.TB, config string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "base")
	m, err := model.New([]byte(config), model.Options{Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Save(t.Context(), dir, "", ""); err != nil {
		t.Fatal(err)
	}
	Write(t, filepath.Join(dir, "vocab.txt"), strings.Join(Vocabulary(), "\n")+"\n")
	Write(t, filepath.Join(dir, "tokenizer_config.json"), `{"tokenizer_class": "BertTokenizer", "do_lower_case": true, "mask_token": "[MASK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]"}`)
	return dir
}

// SentenceCase is what sentence-transformers makes of texts with a folder (scripts/golden/sentence.py): vectors of length 1.
type SentenceCase struct {
	PromptName string            `json:"prompt_name"`
	Files      map[string]string // beside the model and its vocabulary
	Texts      []string
	Vectors    [][]float32
}

// SentenceCases calls f with each case and its folder.
func SentenceCases(t *testing.T, f func(t *testing.T, dir string, c SentenceCase)) {
	t.Helper()
	dir := filepath.Join(golden.Repository(t), "testdata", "golden")
	raw, err := os.ReadFile(filepath.Join(dir, "sentence", "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Vocab []string
		Cases []SentenceCase
	}
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	for i, c := range all.Cases {
		t.Run(fmt.Sprintf("%d %s", i, c.PromptName), func(t *testing.T) {
			out := t.TempDir()
			for _, name := range []string{"config.json", "model.safetensors"} {
				raw, err := os.ReadFile(filepath.Join(dir, "models", "bert-mlm", name))
				if err != nil {
					t.Fatal(err)
				}
				Write(t, filepath.Join(out, name), strings.ReplaceAll(string(raw), "BertForMaskedLM", "BertModel"))
			}
			Write(t, filepath.Join(out, "vocab.txt"), strings.Join(all.Vocab, "\n")+"\n")
			for name, text := range c.Files {
				Write(t, filepath.Join(out, name), text)
			}
			f(t, out, c)
		})
	}
	if len(all.Cases) == 0 {
		t.Error("no cases")
	}
}
