package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/checkpoint/gguf"
	"github.com/spagotune/spagotune/convert"
	"github.com/spagotune/spagotune/internal/golden"
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
	file := filepath.Join(dir, "m.gguf")
	if err := os.WriteFile(file, []byte("GGUF"), 0o666); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"--model " + served + " --output " + served + " --to cybertron":       "not empty",
		"--model " + file + " --output " + dir + "/x --to huggingface":        "is a GGUF file; finetune merge --model " + file,
		"--model " + file + " --output " + dir + "/x --to cybertron":          "makes a Hugging Face folder of it, which can be converted",
		"--model " + dir + "/none.gguf --output " + dir + "/x --to cybertron": "no such file",
		"--model " + file + " --output " + dir + "/x.gguf --to gguf":          "cut off: it has 4 bytes",
		"--model " + source + " --output " + dir + "/x --to huggingface":      "has no spago_model.bin",
		"--model " + tiny(t) + " --output " + dir + "/x --to cybertron":       "numerics",
		"--model " + source + " --output " + dir + "/x --to cybertron":        "vocab.txt",
		"--model " + dir + "/none --output " + dir + "/x --to huggingface":    "no such folder",
	} {
		if code, _, err := finetuneCmd(t, append([]string{"convert"}, strings.Fields(args)...)...); code != 1 || !strings.Contains(err, want) || strings.Count(err, "\n") != 1 {
			t.Errorf("convert %s: exit %d, %q, want a line with %q", args, code, err, want)
		}
	}
}

// TestConvertHelp: help names what the errors name.
func TestConvertHelp(t *testing.T) {
	helpOf := func(verb string) string { return strings.Join(strings.Fields(ok(t, verb, "--help")), " ") }
	help := helpOf("convert")
	for _, name := range gguf.MixtureNames() {
		if !strings.Contains(help, name) {
			t.Errorf("convert --help does not name %s", name)
		}
	}
	if strings.Contains(help, ".gguf --output smollm2-back") {
		t.Error("convert --help has an example that fails")
	}
	for verb, want := range map[string]string{"verify": "GGUF file", "combine": "needs --density"} {
		if help := helpOf(verb); !strings.Contains(help, want) {
			t.Errorf("%s --help does not have %q:\n%s", verb, want, help)
		}
	}
}

// TestCombineTwice: an adapter that is named twice counts twice, however it is spelt.
func TestCombineTwice(t *testing.T) {
	peft, dir := golden.Cases(t, "peft")[0], t.TempDir()
	lora := peft.Path("lora")
	for i, again := range []string{lora, filepath.Dir(lora) + "/./" + filepath.Base(lora)} {
		var r convert.CombineReport
		okJSON(t, &r, "combine", "--model", peft.Path("base"), "--output", filepath.Join(dir, strconv.Itoa(i)), lora, again)
		if r.Layers == 0 || r.Error > 1e-6 {
			t.Errorf("%s: %+v", again, r)
		}
	}
}

// TestCutWeight: a folder whose whole name has a = goes before a weight.
func TestCutWeight(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lr=0.01")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for arg, want := range map[string]string{dir: dir + " 1", dir + "=0.5": dir + " 0.5", "a": "a 1", "a=-2": "a -2", "a=x": `a=x: "x" is not a weight; want DIR=NUMBER`} {
		folder, weight, err := cutWeight(arg)
		got := fmt.Sprint(folder, " ", weight)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", arg, got, want)
		}
	}
}
