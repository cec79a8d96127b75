package tokenizer

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/spagotune/spagotune/internal/lfs"
)

// TestLoadRefusesPointers: a clone without Git LFS has a pointer in place of a large file.
func TestLoadRefusesPointers(t *testing.T) {
	pointer := &fstest.MapFile{Data: []byte("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 499723\n")}
	config := func(class string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(`{"tokenizer_class": "` + class + `"}`)}
	}
	for name, files := range map[string]fstest.MapFS{
		"tokenizer.json":  {"tokenizer.json": pointer},
		"tokenizer.model": {"tokenizer_config.json": config("LlamaTokenizer"), "tokenizer.model": pointer},
		"spiece.model":    {"tokenizer_config.json": config("T5Tokenizer"), "spiece.model": pointer},
		"vocab.txt":       {"tokenizer_config.json": config("BertTokenizer"), "vocab.txt": pointer},
	} {
		_, err := LoadFS(files)
		if !errors.Is(err, lfs.ErrPointer) || !strings.Contains(err.Error(), name+": this is a Git LFS pointer") {
			t.Errorf("%s: got error %v", name, err)
		}
	}
}
