package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/golden"
)

// TestGenerateFile continues prompts of a file in batches. A file of answers that was cut off is completed to the same bytes.
func TestGenerateFile(t *testing.T) {
	dir, work := byteModel(t), t.TempDir()
	var lines strings.Builder
	for i := range promptBatch + 5 {
		fmt.Fprintf(&lines, "{\"prompt\": \"number %d is\"}\n", i)
	}
	prompts, out := filepath.Join(work, "p.jsonl"), filepath.Join(work, "a.jsonl")
	if err := os.WriteFile(prompts, []byte(lines.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	args := []string{"generate", "--model", dir, "--file", prompts, "--max-new-tokens", "6", "--temperature", "1", "--seed", "5"}
	ok(t, append(args, "--answers", out)...)
	whole, err := os.ReadFile(out)
	if err != nil || bytes.Count(whole, []byte("\n")) != promptBatch+5 || !bytes.Contains(whole, []byte(`"finish_reason"`)) {
		t.Fatalf("%v, %s", err, whole)
	}
	for _, cut := range []int{0, len(whole) / 3, len(whole) - 2, len(whole)} {
		if err := os.WriteFile(out, whole[:cut], 0o666); err != nil {
			t.Fatal(err)
		}
		ok(t, append(args, "--answers", out)...)
		if again, err := os.ReadFile(out); err != nil || !bytes.Equal(again, whole) {
			t.Errorf("cut at %d: %v, got\n%s\nwant\n%s", cut, err, again, whole)
		}
	}
	if code, _, stderr := finetuneCmd(t, append(args, "--answers", out, "--stop", "x")...); code != 1 || !strings.Contains(stderr, "belongs to another run") {
		t.Errorf("other settings: exit %d, %s", code, stderr)
	}
	if printed := ok(t, append(args, "--json")...); strings.Count(printed, "\n") != promptBatch+5 {
		t.Errorf("got %s", printed)
	}
	for name, text := range map[string]string{"empty.txt": "\n", "bad.jsonl": "{\"prompts\": 1}\n"} {
		path := filepath.Join(work, name)
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if code, _, stderr := finetuneCmd(t, "generate", "--model", dir, "--file", path); code != 1 || !strings.Contains(stderr, name) {
			t.Errorf("%s: exit %d, %s", name, code, stderr)
		}
	}
}

// TestGenerateStandardInput reads prompts, a line each, as a single prompt reads them.
func TestGenerateStandardInput(t *testing.T) {
	dir := byteModel(t)
	path := filepath.Join(t.TempDir(), "in")
	if err := os.WriteFile(path, []byte("one\n\ntwo\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	old := os.Stdin
	os.Stdin = in
	defer func() { os.Stdin = old; _ = in.Close() }()
	got := ok(t, "generate", "--model", dir, "--file", "-", "--max-new-tokens", "5")
	want := ""
	for _, p := range []string{"one", "two"} {
		var c infer.Completion
		okJSON(t, &c, "generate", "--model", dir, "--prompt", p, "--max-new-tokens", "5")
		want += c.Text + "\n"
	}
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestGenerateStops(t *testing.T) {
	dir := byteModel(t)
	args := []string{"generate", "--model", dir, "--prompt", "abc", "--max-new-tokens", "30", "--temperature", "1", "--seed", "2"}
	var all, cut infer.Completion
	okJSON(t, &all, args...)
	runes := []rune(all.Text)
	stop := string(runes[len(runes)/2 : len(runes)/2+2])
	args = append(args, "--stop", stop, "--stop", "never in it")
	okJSON(t, &cut, args...)
	if want, _, _ := strings.Cut(all.Text, stop); cut.Text != want || cut.Reason != "stop" || len(cut.Tokens) >= len(all.Tokens) {
		t.Errorf("got %+v, want %q of %q", cut, want, all.Text)
	}
	if out := ok(t, args...); strings.TrimSuffix(out, "\n") != strings.TrimSuffix(cut.Text, "\n") {
		t.Errorf("streamed %q, want %q", out, cut.Text)
	}
}

// TestGenerateSearches: beams and the penalty change the text.
func TestGenerateSearches(t *testing.T) {
	dir := byteModel(t)
	args := []string{"generate", "--model", dir, "--prompt", "abc", "--max-new-tokens", "20"}
	greedy := ok(t, args...)
	for _, more := range [][]string{{"--num-beams", "4"}, {"--repetition-penalty", "1.8"}} {
		if out := ok(t, append(args, more...)...); out == greedy {
			t.Errorf("%s: the text is still %q", more, out)
		}
	}
	if one := ok(t, append(args, "--num-beams", "1")...); one != greedy {
		t.Errorf("one beam: %q, want %q", one, greedy)
	}
	if code, _, stderr := finetuneCmd(t, append(args, "--num-beams", "2", "--temperature", "1")...); code != 1 || !strings.Contains(stderr, "beams are not sampled") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}

// TestModelOfTheAdapter leaves --model out: the base is the one of the adapter's config, here in the Hub's cache.
func TestModelOfTheAdapter(t *testing.T) {
	work, cache := t.TempDir(), t.TempDir()
	t.Setenv("HF_HUB_CACHE", cache)
	t.Setenv("HF_HUB_OFFLINE", "1")
	peft := golden.Cases(t, "peft")[0]
	lora := filepath.Join(work, "lora")
	if err := os.CopyFS(lora, os.DirFS(peft.Path("lora"))); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(lora, "adapter_config.json")
	named := func(base string) {
		t.Helper()
		m := map[string]any{}
		golden.JSON(t, config, &m)
		m["base_model_name_or_path"] = base
		writeJSON(t, config, m)
	}
	if err := os.CopyFS(filepath.Join(cache, "models--org--name", "snapshots", "abc"), os.DirFS(peft.Path("base"))); err != nil {
		t.Fatal(err)
	}
	refs := filepath.Join(cache, "models--org--name", "refs")
	if err := os.MkdirAll(refs, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(refs, "main"), []byte("abc\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"": "does not say which model it is for", "org/missing": "is for the model org/missing"} {
		named(name)
		if code, _, stderr := finetuneCmd(t, "generate", "--adapter", lora, "--prompt", "x"); code != 1 || !strings.Contains(stderr, want) {
			t.Errorf("%q: exit %d, %s", name, code, stderr)
		}
	}
	named("org/name")
	ok(t, "merge", "--adapter", lora, "--output", filepath.Join(work, "merged"))
	ok(t, "verify", "--adapter", lora, "--reference", peft.Path("lora", "io.safetensors"))
	if code, _, stderr := finetuneCmd(t, "verify", "--reference", peft.Path("lora", "io.safetensors")); code == 0 || !strings.Contains(stderr, "--model") {
		t.Errorf("no model at all: exit %d, %s", code, stderr)
	}
	named("embedded")
	if code, _, stderr := finetuneCmd(t, "train", "--adapter", lora, "--output", filepath.Join(work, "run")); code != 1 || !strings.Contains(stderr, "task is empty") {
		t.Errorf("an adapter alone is a run without a task, not the quickstart: exit %d, %s", code, stderr)
	}
}

// writeJSON writes a value into a file.
func writeJSON(t *testing.T, path string, v any) {
	t.Helper()
	raw, err := json.Marshal(v)
	if err == nil {
		err = os.WriteFile(path, raw, 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
}
