package convert

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/internal/tiny"
	"github.com/spagotune/spagotune/model"
)

var bertWords = strings.Fields("[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat on mat dog ##s ran ##ning fast . , who where home")

// bertFolder saves a BERT with random weights. more are further keys of its config.
func bertFolder(t *testing.T, class, more string, dtype checkpoint.DType) string {
	t.Helper()
	m, err := model.New([]byte(fmt.Sprintf(`{"model_type": "bert", "architectures": [%q], "vocab_size": %d, "hidden_size": 24,
		"intermediate_size": 37, "num_hidden_layers": 2, "num_attention_heads": 3, "max_position_embeddings": 20%s}`, class, len(bertWords), more)), model.Options{Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "model")
	if err := m.Save(t.Context(), dir, "", dtype); err != nil {
		t.Fatal(err)
	}
	tiny.Write(t, filepath.Join(dir, "vocab.txt"), strings.Join(bertWords, "\n")+"\n")
	return dir
}

// change rewrites a folder's tensors.
func change(t *testing.T, dir string, f func(ts []checkpoint.Tensor) []checkpoint.Tensor) {
	t.Helper()
	list := tensorsOf(t, dir)
	if err := checkpoint.Write(filepath.Join(dir, "model.safetensors"), f(list), nil); err != nil {
		t.Fatal(err)
	}
}

// tensorsOf returns copies of all tensors in a folder.
func tensorsOf(t *testing.T, dir string) []checkpoint.Tensor {
	t.Helper()
	c, err := checkpoint.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	var all []checkpoint.Tensor
	for _, n := range c.Names() {
		x, _ := c.Get(n)
		x.Data = slices.Clone(x.Data)
		all = append(all, x)
	}
	return all
}

func pooler(ts []checkpoint.Tensor) []checkpoint.Tensor {
	w, b := make([]float32, 24*24), make([]float32, 24)
	for i := range w {
		w[i] = float32(i%7) - 3
	}
	b[3] = 2
	return append(ts, checkpoint.F32("pooler.dense.weight", w, 24, 24), checkpoint.F32("pooler.dense.bias", b, 24))
}

// roundTrip converts to Cybertron and back.
func roundTrip(t *testing.T, dir string, drop ...string) (r *Report, served, back string) {
	t.Helper()
	served, back = filepath.Join(t.TempDir(), "new", "served"), filepath.Join(t.TempDir(), "back")
	r, err := Convert(t.Context(), Options{Model: dir, Output: served, To: ToCybertron, Drop: drop})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Convert(t.Context(), Options{Model: served, Output: back, To: ToHuggingFace}); err != nil {
		t.Fatal(err)
	}
	return r, served, back
}

// sameTensors checks that a folder has the tensors of another one, as float32.
func sameTensors(t *testing.T, dir, back string, skip ...string) {
	t.Helper()
	got := map[string]checkpoint.Tensor{}
	for _, x := range tensorsOf(t, back) {
		got[x.Name] = x
	}
	for _, w := range tensorsOf(t, dir) {
		x, ok := got[w.Name]
		delete(got, w.Name)
		if slices.Contains(skip, w.Name) {
			continue
		}
		if !ok {
			t.Errorf("%s is missing", w.Name)
			continue
		}
		a, err := w.Float32s()
		if err != nil {
			t.Fatal(err)
		}
		if b := checkpoint.F32("", a, w.Shape...); !slices.Equal(x.Shape, w.Shape) || !bytes.Equal(x.Data, b.Data) {
			t.Errorf("%s is not the same", w.Name)
		}
	}
	for name := range got {
		t.Errorf("%s is new", name)
	}
}

func TestConvertRoundTrip(t *testing.T) {
	const three = `, "id2label": {"0": "a", "1": "b", "2": "c"}`
	for _, tt := range []struct {
		class, more string
		dtype       checkpoint.DType
		change      func([]checkpoint.Tensor) []checkpoint.Tensor
	}{
		{"BertModel", "", checkpoint.DTypeF32, pooler},
		{"BertModel", "", checkpoint.DTypeBF16, nil},
		{"BertForSequenceClassification", three, checkpoint.DTypeF16, nil},
		{"BertForSequenceClassification", "", checkpoint.DTypeF32, nil},
		{"BertForTokenClassification", three, checkpoint.DTypeF32, nil},
		{"BertForQuestionAnswering", "", checkpoint.DTypeF32, nil},
		{"BertForMaskedLM", "", checkpoint.DTypeF32, nil},
		{"BertForMaskedLM", `, "tie_word_embeddings": false, "hidden_act": "gelu_new"`, checkpoint.DTypeBF16, nil},
	} {
		t.Run(tt.class+string(tt.dtype), func(t *testing.T) {
			dir := bertFolder(t, tt.class, tt.more, tt.dtype)
			if tt.change != nil {
				change(t, dir, tt.change)
			}
			r, served, back := roundTrip(t, dir)
			if len(r.Notes)+len(r.Dropped)+len(r.NotCopied) > 0 {
				t.Errorf("report %+v", r)
			}
			skip := ""
			if strings.Contains(tt.more, "false") {
				skip = "cls.predictions.decoder.bias" // tied to cls.predictions.bias by the architecture
			}
			sameTensors(t, dir, back, skip)
			if _, err := os.Stat(filepath.Join(served, "tokenizer_config.json")); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestConvertTorch converts a half-precision pytorch_model.bin as transformers 5.24 and PyTorch 2.15 write it.
func TestConvertTorch(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../testdata/golden/torch_bert")); err != nil {
		t.Fatal(err)
	}
	tiny.Write(t, filepath.Join(dir, "vocab.txt"), strings.Join(bertWords, "\n")+"\n")
	_, _, back := roundTrip(t, dir)
	sameTensors(t, dir, back, "cls.predictions.decoder.weight", "cls.predictions.decoder.bias") // tied
}

// TestConvertBART converts the golden models with an encoder and a decoder, and converts them back.
func TestConvertBART(t *testing.T) {
	for _, c := range golden.Cases(t, "models") {
		var config struct {
			ModelType     string   `json:"model_type"`
			VocabSize     int      `json:"vocab_size"`
			Architectures []string `json:"architectures"`
			Shared        *bool    `json:"share_encoder_decoder_embeddings"`
		}
		golden.JSON(t, c.Path("config.json"), &config)
		if !slices.Contains([]string{"bart", "marian", "pegasus"}, config.ModelType) || strings.HasSuffix(config.Architectures[0], "Answering") || config.Shared != nil && !*config.Shared {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(c.Dir)); err != nil {
				t.Fatal(err)
			}
			tiny.Write(t, filepath.Join(dir, "tokenizer.json"), `{"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 3}, "merges": [["a", "b"]]}, "added_tokens": [{"id": 2, "content": "</s>"}]}`)
			_, served, back := roundTrip(t, dir)
			sameTensors(t, dir, back, "lm_head.weight", "model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight", "final_logits_bias",
				"model.encoder.embed_positions.weight", "model.decoder.embed_positions.weight")
			if merges, err := os.ReadFile(filepath.Join(served, "merges.txt")); err != nil || string(merges) != "#version: 0.2\na b\n" {
				t.Errorf("merges %q, %v", merges, err)
			}
		})
	}
}

func TestConvertDrop(t *testing.T) {
	dir := bertFolder(t, "BertForMaskedLM", "", checkpoint.DTypeF32)
	change(t, dir, func(ts []checkpoint.Tensor) []checkpoint.Tensor {
		return append(ts, checkpoint.F32("cls.seq_relationship.weight", make([]float32, 48), 2, 24), checkpoint.F32("cls.seq_relationship.bias", make([]float32, 2), 2))
	})
	out := filepath.Join(t.TempDir(), "out")
	_, err := Convert(t.Context(), Options{Model: dir, Output: out, To: ToCybertron})
	if err == nil || !strings.Contains(err.Error(), "no place for cls.seq_relationship.bias, cls.seq_relationship.weight") {
		t.Errorf("got error %v", err)
	}
	if _, err := os.Stat(out); !os.IsNotExist(err) {
		t.Error("a refused conversion left a folder")
	}
	r, _, back := roundTrip(t, dir, "cls.seq_relationship")
	if len(r.Dropped) != 2 {
		t.Errorf("dropped %v", r.Dropped)
	}
	sameTensors(t, dir, back, "cls.seq_relationship.weight", "cls.seq_relationship.bias")
}

// TestConvertTokenizerJSON checks that Cybertron's tokenizer files are made from tokenizer.json if there is nothing
// else.
func TestConvertTokenizerJSON(t *testing.T) {
	dir := bertFolder(t, "BertModel", "", checkpoint.DTypeF32)
	if err := os.Remove(filepath.Join(dir, "vocab.txt")); err != nil {
		t.Fatal(err)
	}
	var vocab []string
	for i, w := range bertWords[:len(bertWords)-1] {
		vocab = append(vocab, fmt.Sprintf("%q: %d", w, i))
	}
	tiny.Write(t, filepath.Join(dir, "tokenizer.json"), fmt.Sprintf(`{"normalizer": {"type": "BertNormalizer", "lowercase": false}, "added_tokens": [{"id": %d, "content": %q}],
		"model": {"type": "WordPiece", "vocab": {%s}}}`, len(bertWords)-1, bertWords[len(bertWords)-1], strings.Join(vocab, ", ")))
	_, served, _ := roundTrip(t, dir)
	for name, want := range map[string]string{"vocab.txt": strings.Join(bertWords, "\n") + "\n", "tokenizer_config.json": `"do_lower_case": false`} {
		if got, err := os.ReadFile(filepath.Join(served, name)); err != nil || !strings.Contains(string(got), want) {
			t.Errorf("%s: %q, %v, want %q", name, got, err, want)
		}
	}
}

func TestConvertErrors(t *testing.T) {
	good := bertFolder(t, "BertModel", "", checkpoint.DTypeF32)
	for name, tt := range map[string]struct {
		to   string
		dir  func(t *testing.T) string
		want string
	}{
		"format":          {"onnx", func(*testing.T) string { return good }, `to "onnx" is not known`},
		"no spago model":  {ToHuggingFace, func(*testing.T) string { return good }, "has no spago_model.bin"},
		"no folder":       {ToCybertron, func(*testing.T) string { return good + "x" }, "no such folder"},
		"another family":  {ToCybertron, func(*testing.T) string { return "../testdata/golden/models/llama" }, "llama has only Hugging Face's"},
		"wrong precision": {ToHuggingFace, damaged(good, []byte("what is this")), "spago_model.bin"},
		"cut off":         {ToHuggingFace, damaged(good, nil), "spago_model.bin"},
		"no vocabulary": {ToCybertron, func(t *testing.T) string {
			d := bertFolder(t, "BertModel", "", checkpoint.DTypeF32)
			_ = os.Remove(filepath.Join(d, "vocab.txt"))
			return d
		}, "there is no vocab.txt"},
		"foreign vocabulary": {ToCybertron, vocabulary("[CLS] [SEP] [UNK] " + strings.Join(strings.Split("abcdefghijklmnopqrst", ""), " ")), "23 tokens for a model with a vocabulary of 20"},
		"twice":              {ToCybertron, vocabulary("[CLS] [SEP] [UNK] a b a"), `lines 4 and 6 are both "a"`},
		"no separator":       {ToCybertron, vocabulary("[CLS] [UNK] a b"), "no token [SEP]"},
		"activation": {ToCybertron, func(t *testing.T) string {
			return bertFolder(t, "BertModel", `, "embedding_size": 24, "hidden_act": "swish"`, checkpoint.DTypeF32)
		}, ""},
		"electra": {ToCybertron, func(t *testing.T) string {
			d := bertFolder(t, "BertModel", "", checkpoint.DTypeF32)
			raw, _ := os.ReadFile(filepath.Join(d, "config.json"))
			tiny.Write(t, filepath.Join(d, "config.json"), strings.NewReplacer(`"bert"`, `"electra"`, "BertModel", "ElectraModel").Replace(string(raw)))
			return d
		}, `no tasks for model_type "electra"`},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			_, err := Convert(t.Context(), Options{Model: tt.dir(t), Output: out, To: tt.to})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
	if _, err := Convert(t.Context(), Options{Model: good, Output: good, To: ToCybertron}); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("got error %v, want one about the output", err)
	}
}

func vocabulary(tokens string) func(t *testing.T) string {
	return func(t *testing.T) string {
		d := bertFolder(t, "BertModel", "", checkpoint.DTypeF32)
		tiny.Write(t, filepath.Join(d, "vocab.txt"), strings.Join(strings.Fields(tokens), "\n"))
		return d
	}
}

// damaged makes a Cybertron folder whose weights are text or, if text is nil, truncated.
func damaged(hf string, text []byte) func(t *testing.T) string {
	return func(t *testing.T) string {
		d := filepath.Join(t.TempDir(), "served")
		if _, err := Convert(t.Context(), Options{Model: hf, Output: d, To: ToCybertron}); err != nil {
			t.Fatal(err)
		}
		if text == nil {
			raw, _ := os.ReadFile(filepath.Join(d, "spago_model.bin"))
			text = raw[:len(raw)/2]
		}
		tiny.Write(t, filepath.Join(d, "spago_model.bin"), string(text))
		return d
	}
}

// TestConvertMiniLM converts the model that SPAGOTUNE_MINILM names, and converts it back.
func TestConvertMiniLM(t *testing.T) {
	dir := os.Getenv("SPAGOTUNE_MINILM")
	if dir == "" {
		t.Skip("SPAGOTUNE_MINILM is not set")
	}
	_, _, back := roundTrip(t, dir)
	sameTensors(t, dir, back, "embeddings.position_ids")
}
