package hub

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/hubtest"
)

func filesOf(names ...string) []File {
	var files []File
	for _, n := range names {
		files = append(files, File{Name: n})
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return files
}

func TestChoices(t *testing.T) {
	tests := []struct {
		name   string
		choice Choice
		files  []string
		want   []string
		err    string
	}{
		{name: "safetensors over bin", choice: ModelFiles, files: []string{"config.json", "pytorch_model.bin", "model.safetensors"},
			want: []string{"config.json", "model.safetensors"}},
		{name: "bin", choice: ModelFiles, files: []string{"config.json", "pytorch_model.bin", "flax_model.msgpack", "tf_model.h5"},
			want: []string{"config.json", "pytorch_model.bin"}},
		{name: "tokenizers of every kind", choice: ModelFiles,
			files: []string{"model.safetensors", "vocab.txt", "vocab.json", "merges.txt", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model",
				"source.spm", "target.spm", "target_vocab.json", "spm.model", "tekken.json", "qwen.tiktoken", "added_tokens.json", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json",
				"chat_template.jinja", "additional_chat_templates/tool.jinja", "generation_config.json", "README.md",
				"trainer_state.json", "optimizer.pt", "runs/x", "requirements.txt", "all_results.json", "openvino/tokenizer.json", "pytorch_model.bin.index.json"},
			want: []string{"README.md", "added_tokens.json", "additional_chat_templates/tool.jinja", "chat_template.jinja", "generation_config.json", "merges.txt",
				"model.safetensors", "qwen.tiktoken", "sentencepiece.bpe.model", "source.spm", "special_tokens_map.json", "spiece.model", "spm.model", "target.spm", "target_vocab.json", "tekken.json",
				"tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json", "vocab.txt"}},
		{name: "sentence embedder", choice: ModelFiles,
			files: []string{"model.safetensors", "modules.json", "sentence_bert_config.json", "config_sentence_transformers.json", "1_Pooling/config.json",
				"2_Dense/config.json", "2_Dense/pytorch_model.bin", "2_Dense/model.safetensors", "onnx/config.json"},
			want: []string{"1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors", "config_sentence_transformers.json", "model.safetensors",
				"modules.json", "sentence_bert_config.json"}},
		{name: "no weights", choice: ModelFiles, files: []string{"config.json", "model.gguf"}, err: "no weights that can be read: want model.safetensors"},
		{name: "an adapter as a model", choice: ModelFiles, files: []string{"adapter_config.json", "adapter_model.safetensors"}, err: "an adapter, not a model"},
		{name: "adapter", choice: AdapterFiles, files: []string{"adapter_config.json", "adapter_model.bin", "adapter_model.safetensors", "README.md", "optimizer.pt"},
			want: []string{"README.md", "adapter_config.json", "adapter_model.safetensors"}},
		{name: "a model as an adapter", choice: AdapterFiles, files: []string{"config.json", "model.safetensors"}, err: "not an adapter"},
		{name: "an adapter as what it is", choice: ModelOrAdapterFiles, files: []string{"adapter_config.json", "adapter_model.safetensors", "host.json", "run.json", "metrics.jsonl"},
			want: []string{"adapter_config.json", "adapter_model.safetensors", "host.json", "run.json"}},
		{name: "a model as what it is", choice: ModelOrAdapterFiles, files: []string{"config.json", "model.safetensors"}, want: []string{"config.json", "model.safetensors"}},
		{name: "tokenizer", choice: TokenizerFiles, files: []string{"config.json", "model.safetensors", "tokenizer.json"}, want: []string{"config.json", "tokenizer.json"}},
		{name: "no tokenizer", choice: TokenizerFiles, files: []string{"model.safetensors"}, err: "no tokenizer; there are model.safetensors"},
		{name: "patterns", choice: Match("*.json", "data/", "!*b.json"), files: []string{"a.json", "b.json", "sub/c.json", "data/x/y", "z"},
			want: []string{"a.json", "data/x/y", "sub/c.json"}},
		{name: "patterns that only exclude", choice: Match("!?.json"), files: []string{"a.json", "ab.json"}, want: []string{"ab.json"}},
		{name: "patterns are no expressions", choice: Match("a+.[x]"), files: []string{"aa.x", "a+.[x]"}, want: []string{"a+.[x]"}},
		{name: "patterns without a match", choice: Match("*.gguf"), files: []string{"a.json"}, err: "no file matches *.gguf; there are a.json"},
		{name: "only config", choice: Parquet("", ""), files: []string{"main/train/0000.parquet", "main/train/0001.parquet", "main/test/0000.parquet", "README.md"},
			want: []string{"main/train/0000.parquet", "main/train/0001.parquet"}},
		{name: "default config, only split", choice: Parquet("", ""), files: []string{"default/test/0000.parquet", "other/train/0000.parquet"},
			want: []string{"default/test/0000.parquet"}},
		{name: "config and split", choice: Parquet("b", "test"), files: []string{"a/test/0000.parquet", "b/test/0000.parquet", "b/partial-train/0000.parquet"},
			want: []string{"b/test/0000.parquet"}},
		{name: "partly converted", choice: Parquet("b", "train"), files: []string{"b/partial-train/0000.parquet"}, want: []string{"b/partial-train/0000.parquet"}},
		{name: "a split in the place of a config", choice: Parquet("test", ""), files: []string{"a/test/0000.parquet", "a/train/0000.parquet"},
			want: []string{"a/test/0000.parquet"}},
		{name: "no such split", choice: Parquet("a", "dev"), files: []string{"a/test/0000.parquet", "a/train/0000.parquet"}, err: "want a/dev; there are a/test, a/train"},
		{name: "which config", choice: Parquet("", ""), files: []string{"a/train/0000.parquet", "b/train/0000.parquet"}, err: "there are a/train, b/train"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.choice(filesOf(test.files...), nil)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("error %v, want %q", err, test.err)
				}
				return
			}
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("%q, %v\nwant %q", got, err, test.want)
			}
		})
	}
}

func TestAdapterAndData(t *testing.T) {
	s := newServer(t)
	adapter := s.Add("models/org/adapter", map[string][]byte{"adapter_config.json": []byte("{}"), "adapter_model.safetensors": []byte("w"), "x.pt": []byte("x")})
	set := s.Add("datasets/org/set", map[string][]byte{"main/train/0000.parquet": []byte("rows"), "main/test/0000.parquet": []byte("others")})
	set.Refs = map[string]string{"refs/convert/parquet": ""}
	s.Add("datasets/org/raw", map[string][]byte{"a.csv": []byte("x")})
	c := newClient(t, s)
	snap, err := c.Adapter(t.Context(), "org/adapter")
	if err != nil || len(snap.Files) != 2 {
		t.Fatalf("%+v, %v", snap, err)
	}
	sameFiles(t, snap, adapter)
	for range 2 { // the second time from the cache
		if snap, err = c.Data(t.Context(), "org/set:test"); err != nil || len(snap.Files) != 1 || snap.Files[0].Name != "main/test/0000.parquet" {
			t.Fatalf("%+v, %v", snap, err)
		}
		sameFiles(t, snap, set)
		c.Offline = true
	}
	c.Offline = false
	for path, want := range map[string]string{snap.Path("main/test"): "org/set@" + set.Commit() + ":main/test", snap.Dir: "org/set@" + set.Commit(),
		filepath.Join(c.CacheDir, "models--org--adapter", "snapshots", adapter.Commit()): "org/adapter@" + adapter.Commit(),
		filepath.Join(c.CacheDir, "models--org--adapter"):                                "", "snapshots/" + set.Commit(): "", "x/snapshots/main": ""} {
		if name, ok := NameOf(path); ok != (want != "") || ok && name.String() != want {
			t.Errorf("NameOf(%s): %s, %v; want %q", path, name, ok, want)
		}
	}
	var raw *NotConvertedError
	_, err = c.Data(t.Context(), "org/raw")
	if !errors.Is(err, ErrRevisionNotFound) || !errors.As(err, &raw) || raw.Files[0].Name != "a.csv" || !strings.Contains(err.Error(), "has not converted it to Parquet; it has a.csv") {
		t.Errorf("error %v", err)
	}
	var missing *MissingError
	_, err = c.Download(t.Context(), Repo{ID: "org/adapter"}, Names("config.json"))
	if !errors.As(err, &missing) || !errors.Is(err, ErrFileNotFound) || missing.File != "config.json" || missing.Repo != "org/adapter" {
		t.Errorf("error %v", err)
	}
}

// TestOtherType names a data set where a model is wanted, and the reverse: on the Hub, which may answer 404 or 401, and in the cache.
func TestOtherType(t *testing.T) {
	s := newServer(t)
	s.Add(repoName, modelFiles())
	s.Add("datasets/org/set", map[string][]byte{"main/train/0000.parquet": []byte("rows")}).Refs = map[string]string{"refs/convert/parquet": ""}
	c := newClient(t, s)
	check := func(what string, err error, want Type, sentinel error) {
		t.Helper()
		var other *OtherTypeError
		if !errors.As(err, &other) || other.Type != want || !errors.Is(err, sentinel) {
			t.Errorf("%s: %v, want that it is a %v", what, err, want)
		}
	}
	_, err := c.Model(t.Context(), "org/set")
	check("a data set as a model", err, Dataset, ErrRepositoryNotFound)
	if err == nil || err.Error() != "org/set: there is no model of this name, but a data set" {
		t.Errorf("error %v", err)
	}
	_, err = c.Data(t.Context(), "org/tiny")
	check("a model as data", err, Model, ErrRepositoryNotFound)
	s.Hidden = true
	_, err = c.Model(t.Context(), "org/set")
	check("the same by a Hub that answers 401", err, Dataset, ErrUnauthorized)
	s.Hidden = false
	if _, err := c.Model(t.Context(), "org/none"); errors.As(err, new(*OtherTypeError)) || !errors.Is(err, ErrRepositoryNotFound) {
		t.Errorf("no repository at all: %v", err)
	}
	if _, err := c.Data(t.Context(), "org/set"); err != nil {
		t.Fatal(err)
	}
	if _, err = c.Verify(t.Context(), Repo{Type: Dataset, ID: "org/set"}); err == nil || err.Error() != "org/set: not in the cache, which has of it the revisions refs/convert/parquet" {
		t.Errorf("the revision main of a data set that is converted: %v", err)
	}
	_, err = c.Verify(t.Context(), Repo{ID: "org/set"})
	check("a data set of the cache verified as a model", err, Dataset, ErrNotCached)
	check("removed as a model", c.Remove(Repo{ID: "org/set"}), Dataset, ErrNotCached)
}

// TestRateLimit reads the headers by which servers ask to wait.
func TestRateLimit(t *testing.T) {
	s := newServer(t)
	s.Add(repoName, modelFiles())
	c := newClient(t, s)
	s.SetFault(hubtest.Fault{Status: 429, Times: hubtest.Always, RetryAfter: "Fri, 31 Dec 2100 23:59:59 GMT"})
	if _, err := c.Model(t.Context(), "org/tiny"); err == nil || !strings.Contains(err.Error(), "the server asks to wait for") {
		t.Errorf("a date: %v", err)
	}
	for header, want := range map[string]float64{`"api";r=0;t=55`: 55, `"api";r=3;t=55`: 0, "": 0, `"api";r=0;t=99999999999999999999`: 0} {
		if got := retryAfter(map[string][]string{"Ratelimit": {header}}).Seconds(); got != want {
			t.Errorf("RateLimit %q: %v s, want %v", header, got, want)
		}
	}
}

// TestPartlyConverted: it is said that rows are missing.
func TestPartlyConverted(t *testing.T) {
	for split, want := range map[string]bool{"partial-train": true, "train": false} {
		s := newServer(t)
		s.Add("datasets/org/set", map[string][]byte{"main/" + split + "/0000.parquet": []byte("rows")}).Refs = map[string]string{"refs/convert/parquet": ""}
		c := newClient(t, s)
		warning := ""
		c.Warn = func(m string) { warning = m }
		if _, err := c.DownloadData(t.Context(), Data{Repo: Repo{ID: "org/set"}}); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(warning, "only the first part") != want {
			t.Errorf("%s: warned %q", split, warning)
		}
	}
}
