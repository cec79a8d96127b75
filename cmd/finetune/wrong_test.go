package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/golden"
)

// badFiles writes a file that is neither a folder nor a tensor file, and a file of JSON Lines that is cut off.
func badFiles(t *testing.T, dir string) (file, lines string) {
	t.Helper()
	file, lines = filepath.Join(dir, "file"), filepath.Join(dir, "lines.jsonl")
	for path, text := range map[string]string{file: "text", lines: "{\"question\": \"1?\", \"answer\": \"#### 1\"}\n{\"question\": \n"} {
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return file, lines
}

// wrongCase is a command line, its exit code and a part of its error message.
type wrongCase struct {
	code int
	want string
	args string
}

// wrongCases returns wrong command lines. They use a model without and one with a tokenizer, an adapter of another
// model and its base, files that cannot be read, a folder that does not exist, one that is not empty, and one to write.
func wrongCases(tiny, bytes, base, lora, file, lines, missing, work, output string) []wrongCase {
	return []wrongCase{
		{2, "unexpected argument tran", "tran"},
		{2, "missing flags: --model", "generate --prompt x"},
		{2, "--dtype must be one of", "merge --model a --adapter b --output c --dtype F8"},
		{2, "unknown flag --modle", "generate --modle x"},
		{2, "--log-format must be one of", "version --log-format xml"},
		{2, "--limit is -1; want 0 (all examples) or more", "eval --task text --limit=-1 --model " + tiny},
		{1, "missing: no such folder", "generate --prompt x --model " + missing},
		{1, "is a file", "generate --prompt x --model " + file},
		{1, "missing: no such folder", "generate --prompt x --model " + tiny + " --adapter " + missing},
		{1, "is a file", "generate --prompt x --model " + tiny + " --adapter " + file},
		{1, "tokenizer", "generate --prompt x --model " + tiny},
		{1, "chat template", "generate --prompt x --chat --model " + bytes},
		{1, "system message", "generate --prompt x --system y --model " + bytes},
		{1, "temperature is -1", "generate --prompt x --temperature=-1 --model " + bytes},
		{1, "--threads is -1", "generate --prompt x --threads=-1 --model " + bytes},
		{1, "does not fit", "generate --prompt x --adapter " + lora + " --model " + bytes},
		{1, "missing", "verify --reference " + missing + " --model " + tiny},
		{1, "file", "verify --reference " + file + " --model " + tiny},
		{1, "--tolerance is -1", "verify --reference " + file + " --tolerance=-1 --model " + tiny},
		{1, "did you mean mora", "bench --dense 8 --method moar --model " + tiny},
		{1, "dense is 1", "bench --dense 1 --model " + tiny},
		{1, "either --model or --random-model", "bench --dense 8"},
		{1, "either --model or --random-model", "bench --dense 8 --random-model config.json --model " + tiny},
		{1, "has no tokenizer to read data with", "bench --random-model config.json"},
		{1, "no such file", "bench --dense 8 --random-model nowhere/config.json"},
		{1, "--adapter goes with --decode", "bench --dense 8 --adapter run --model " + tiny},
		{1, "are for training", "bench --bf16 --decode 4 --model " + tiny},
		{1, "--dense and --forward measure different things", "bench --dense 64 --forward 4 --model " + tiny},
		{1, "leave them out with --forward", "bench --forward 4 --slice-tokens 9 --model " + tiny},
		{1, "--data, --task and --set and --dense measure", "bench --dense 8 --set form=raw --model " + tiny},
		{1, "--decode -8", "bench --decode=-8 --model " + tiny},
		{1, "--r is 0", "bench --dense 8 --r 0 --model " + tiny},
		{1, "slice_tokens is -1", "bench --dense 8 --slice-tokens=-1 --model " + tiny},
		{1, "4611686018427387904 rows; want up to", "bench --dense 8 --batch 4611686018427387904 --model " + tiny},
		{1, "9223372036854775807 + 1 steps", "bench --dense 8 --steps 9223372036854775807 --model " + tiny},
		{1, "9223372036854775807 + 1 passes", "bench --forward 8 --steps 9223372036854775807 --model " + tiny},
		{1, "4611686018427387904 rows", "bench --decode 8 --prompts 4611686018427387904 --prompt-tokens 2 --model " + tiny},
		{1, "--threads is 99999999999; want 0 (all processors) to 1024", "bench --dense 8 --threads 99999999999 --model " + tiny},
		{1, "prints no JSON", "bench --sweep sweep --json --model " + tiny},
		{1, "are for training", "bench --optim sgd --decode 4 --model " + tiny},
		{1, "leave out all but one", "bench --dense 8 --data " + lines + " --model " + tiny},
		{1, "lines.jsonl:2", "bench --data " + lines + " --model " + bytes},
		{1, "there is nothing to train on", "bench --model " + bytes},
		{1, "option data is missing", "bench --task math --model " + bytes},
		{1, "did you mean math", "eval --task mathe --data " + lines + " --model " + bytes},
		{1, "did you mean mmlu", "eval --task math,mmul --data math=" + lines + " --model " + bytes},
		{1, "want NAME=PATH", "eval --task math,gsm8k --data " + lines + " --model " + bytes},
		{1, "is not an answer of an evaluation", "eval --task memory --answers " + lines + " --model " + bytes},
		{1, "want the folder that holds dev, val and test", "eval --task mmlu --data " + missing + " --model " + bytes},
		{1, "takes no data", "eval --task memory --data " + lines + " --model " + bytes},
		{1, "did you mean pairs", "eval --task memory --set pair=1 --model " + bytes},
		{1, "want key=value", "eval --task memory --set pairs --model " + bytes},
		{1, "lines.jsonl:2", "eval --task math --data " + lines + " --model " + bytes},
		{1, "no such folder", "merge --output " + output + " --adapter " + missing + " --model " + tiny},
		{1, "does not fit", "merge --output " + output + " --adapter " + lora + " --model " + bytes},
		{1, "not empty", "merge --output " + work + " --adapter " + lora + " --model " + base},
		{1, "not a folder that can be written", "merge --output " + file + " --adapter " + lora + " --model " + base},
		{1, "not empty", "tokenizer --data " + lines + " --output " + work},
		{1, "lines.jsonl:2", "tokenizer --data " + lines + " --field question --output " + output},
		{1, "want 257", "tokenizer --vocab-size 256 --data " + file + " --output " + output},
		{1, "no such folder", "inspect " + missing},
		{1, "--model is for adapters", "inspect " + base + " --model " + base},
		{1, "does not fit", "inspect " + lora + " --model " + bytes},
	}
}

// wrongConversions returns wrong command lines of convert and combine.
func wrongConversions(base, lora, missing, output string) []wrongCase {
	return []wrongCase{
		{1, "--error is 0; want a number above 0", "convert --to lora --error 0 --output " + output + " --adapter " + lora + " --model " + base},
		{1, "--rank is 0; want 1 or more", "convert --to lora-gguf --rank 0 --output " + output + ".gguf --adapter " + lora + " --model " + base},
		{1, "--rank is 0; want 1 or more", "combine --how svd --rank 0 --output " + output + " --model " + base + " " + lora + " " + lora},
		{1, "--numerics and --drop are for --to cybertron", "convert --to gguf --drop cls --output " + output + ".gguf --model " + base},
		{1, "--numerics and --drop are for --to cybertron", "convert --to gguf --numerics cybertron --output " + output + ".gguf --model " + base},
		{1, "--numerics and --drop are for --to cybertron", "convert --to huggingface --drop cls --output " + output + " --model " + base},
		{1, "there is no folder " + missing, "convert --to gguf --output " + missing + "/x.gguf --model " + base},
		{1, "want a number that float32 has", "combine --output " + output + " --model " + base + " " + lora + " " + lora + "=1e39"},
	}
}

// TestWrong gives wrong input. Each must exit with 1 (with 2 for a wrong command line), print one clear line and leave
// no file.
func TestWrong(t *testing.T) {
	work := t.TempDir()
	peft := golden.Cases(t, "peft")[0]
	file, lines := badFiles(t, work)
	missing, output := filepath.Join(work, "missing"), filepath.Join(work, "output")
	cases := append(wrongCases(tiny(t), byteModel(t), peft.Path("base"), peft.Path("lora"), file, lines, missing, work, output),
		wrongConversions(peft.Path("base"), peft.Path("lora"), missing, output)...)
	for _, tt := range cases {
		code, out, err := finetuneCmd(t, strings.Fields(tt.args)...)
		if code != tt.code || !strings.Contains(err, tt.want) || !strings.HasPrefix(err, "finetune: ") || strings.Count(err, "\n") != 1 || out != "" {
			t.Errorf("finetune %s:\ngot exit %d, %q and %q\nwant %d and a line with %q", tt.args, code, err, out, tt.code, tt.want)
		}
	}
	left, err := os.ReadDir(work)
	if err != nil || len(left) != 2 {
		t.Errorf("the folder has %v, %v; want only the bad files", left, err)
	}
}
