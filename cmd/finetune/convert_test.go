package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/convert"
)

func TestConvert(t *testing.T) {
	source, dir := filepath.Join("..", "..", "testdata", "golden", "torch_bert"), t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "bert"), os.DirFS(source)); err != nil {
		t.Fatal(err)
	}
	vocab := "[PAD] [UNK] [CLS] [SEP] [MASK] a b c d e f g h i j k l m n o"
	if err := os.WriteFile(filepath.Join(dir, "bert", "vocab.txt"), []byte(strings.ReplaceAll(vocab, " ", "\n")), 0o666); err != nil {
		t.Fatal(err)
	}
	served := filepath.Join(dir, "served")
	out := ok(t, "convert", "--model", filepath.Join(dir, "bert"), "--output", served, "--to", "cybertron")
	if !strings.Contains(out, "masked-lm") || !strings.Contains(out, "same bits") {
		t.Errorf("printed %q", out)
	}
	var r convert.Report
	okJSON(t, &r, "convert", "--model", served, "--output", filepath.Join(dir, "back"), "--to", "huggingface")
	if r.Parameters == 0 || r.To != convert.ToHuggingFace {
		t.Errorf("report %+v", r)
	}
	for args, want := range map[string]string{
		"--model " + served + " --output " + served + " --to cybertron":    "not empty",
		"--model " + source + " --output " + dir + "/x --to huggingface":   "has no spago_model.bin",
		"--model " + tiny(t) + " --output " + dir + "/x --to cybertron":    "numerics",
		"--model " + source + " --output " + dir + "/x --to cybertron":     "vocab.txt",
		"--model " + dir + "/none --output " + dir + "/x --to huggingface": "no such folder",
	} {
		if code, _, err := finetuneCmd(t, append([]string{"convert"}, strings.Fields(args)...)...); code != 1 || !strings.Contains(err, want) || strings.Count(err, "\n") != 1 {
			t.Errorf("convert %s: exit %d, %q, want a line with %q", args, code, err, want)
		}
	}
}
