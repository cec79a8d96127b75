package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/hub"
	"github.com/spagotune/spagotune/internal/hubtest"
)

// folderFiles returns the files of a folder and below, by name.
func folderFiles(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(p string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(name)], err = os.ReadFile(p)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// newHub starts a Hub with a model (org/tiny, the embedded base), a gated one and a data set (org/sums), and has the
// environment lead to it and to a new cache. The test runs in an empty folder.
func newHub(t *testing.T) *hubtest.Server {
	t.Helper()
	base := folderFiles(t, filepath.Join("..", "..", "evaldata", "base"))
	base["README.md"] = []byte("---\nlicense: apache-2.0\n---\n# Tiny\n")
	rows, err := os.ReadFile(filepath.Join("..", "..", "testdata", "golden", "parquet", "zstd.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	s := hubtest.New()
	t.Cleanup(s.Close)
	s.Add("models/org/tiny", base).Refs = map[string]string{"v1": ""}
	s.Add("models/org/gated", base).Gated = true
	s.Add("datasets/org/sums", map[string][]byte{"main/train/0000.parquet": rows, "main/test/0000.parquet": rows, "README.md": []byte("# Sums")}).Refs =
		map[string]string{"refs/convert/parquet": ""}
	t.Chdir(t.TempDir())
	for k, v := range map[string]string{"HF_ENDPOINT": s.URL, "HF_HOME": t.TempDir(), "HF_HUB_CACHE": "", "HUGGINGFACE_HUB_CACHE": "", "HF_TOKEN": "",
		"HUGGING_FACE_HUB_TOKEN": "", "HF_TOKEN_PATH": "", "HF_HUB_OFFLINE": "", "TRANSFORMERS_OFFLINE": ""} {
		t.Setenv(k, v)
	}
	return s
}

// TestHubVerbs goes through the life of a model: download, look, check, remove.
func TestHubVerbs(t *testing.T) {
	s := newHub(t)
	commit := s.Repo("models/org/tiny").Commit()
	dir := strings.TrimSpace(ok(t, "hub", "download", "org/tiny"))
	if filepath.Base(dir) != commit || !bytes.Equal(folderFiles(t, dir)["config.json"], s.Repo("models/org/tiny").Files["config.json"]) {
		t.Fatalf("downloaded to %s", dir)
	}
	if again := strings.TrimSpace(ok(t, "hub", "download", "org/tiny@v1")); again != dir {
		t.Errorf("v1 is in %s, want %s", again, dir)
	}
	var snap hub.Snapshot
	okJSON(t, &snap, "hub", "download", "org/sums:test", "--dataset")
	if len(snap.Files) != 1 || snap.Files[0].Name != "main/test/0000.parquet" {
		t.Errorf("the data set's files: %+v", snap.Files)
	}
	okJSON(t, &snap, "hub", "download", "org/sums", "--dataset", "--include", "*.md")
	if len(snap.Files) != 1 || snap.Files[0].Name != "README.md" {
		t.Errorf("the data set's own files: %+v", snap.Files)
	}
	for _, tt := range []struct{ args, want string }{
		{"hub ls", `org/tiny .* main = ` + commit[:8] + `, v1 = ` + commit[:8]},
		{"hub ls", `dataset +org/sums `},
		{"hub ls --dataset", `^[^\n]*dataset +org/sums [^\n]*\n$`},
		{"hub ls org/tiny", `3\.3 MB  model\.safetensors`},
		{"hub ls org/sums --dataset", `main/train/0000\.parquet`},
		{"hub verify org/tiny", `ok  model\.safetensors\nok  tokenizer\.json`},
		{"hub verify org/sums@refs/convert/parquet --dataset", `ok  main/test/0000\.parquet`},
		{"hub rm org/tiny@v1", `removed org/tiny@v1 from the cache`},
		{"hub rm org/sums --dataset", `removed org/sums from the cache`},
		{"hub ls", `^the cache is empty\n$`},
	} {
		if out := ok(t, strings.Fields(tt.args)...); !regexp.MustCompile(tt.want).MatchString(out) {
			t.Errorf("finetune %s prints %q, want %s", tt.args, out, tt.want)
		}
	}
	var files []hub.File
	okJSON(t, &files, "hub", "ls", "org/tiny")
	var repos []hub.CachedRepo
	okJSON(t, &repos, "hub", "ls")
	if len(files) != 6 || len(repos) != 0 {
		t.Errorf("%d files on the Hub, %d repositories in the cache", len(files), len(repos))
	}
}

// TestHubVerify alters a file in the cache.
func TestHubVerify(t *testing.T) {
	newHub(t)
	dir := strings.TrimSpace(ok(t, "hub", "download", "org/tiny"))
	file := filepath.Join(dir, "config.json")
	if err := os.WriteFile(file, bytes.Repeat([]byte("x"), 442), 0o666); err != nil {
		t.Fatal(err)
	}
	code, out, err := finetuneCmd(t, "hub", "verify", "org/tiny")
	if code != 1 || !strings.Contains(err, "org/tiny: config.json: wrong content: git SHA-1 is") || strings.Contains(out, "config.json\n") && !strings.Contains(out, "ok  generation_config.json") {
		t.Errorf("exit %d, %q, %q", code, out, err)
	}
}

// TestNamesEverywhere gives names of the Hub to every verb that takes a model, an adapter or data, from a download to an
// upload and back.
func TestNamesEverywhere(t *testing.T) {
	s := newHub(t)
	t.Setenv("HF_TOKEN", "token")
	commit := s.Repo("models/org/tiny").Commit()
	out := ok(t, "train", "--model", "org/tiny", "--method", "lora", "--task", "text", "--data", "org/sums:main/train", "--output", "run", "-s", "max_steps=2",
		"-s", "task_options.block_size=16", "-s", "eval_steps=1")
	if !strings.Contains(out, "generate --model org/tiny --adapter run") {
		t.Errorf("train does not say what to do next with the model's name:\n%s", out)
	}
	if config, err := os.ReadFile("run/adapter_config.json"); err != nil || !strings.Contains(string(config), `"base_model_name_or_path": "org/tiny"`) {
		t.Errorf("adapter_config.json: %s, %v", config, err)
	}
	record, err := finetune.ReadRecord("run")
	if err != nil || record.Base != "org/tiny" || record.Commit != commit || record.License != "apache-2.0" || record.Steps != 2 || len(record.Evaluations) != 3 ||
		len(record.Datasets) != 1 || record.Recipe["model"] != "org/tiny@"+commit || !strings.HasPrefix(record.Recipe["data"].(string), "org/sums@") {
		t.Errorf("the record is %+v, %v", record, err)
	}
	for _, private := range []string{"run/.lock", "run/.env", "run/.notes/mine.txt"} { // the run leaves a lock itself
		if err := errors.Join(os.MkdirAll(filepath.Dir(private), 0o777), os.WriteFile(private, []byte("private"), 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	ok(t, "hub", "upload", "run", "me/adapter")
	uploaded := s.Repo("models/me/adapter").Files
	card := string(uploaded["README.md"])
	for _, want := range []string{"base_model: org/tiny\n", "library_name: peft\n", "license: apache-2.0\n", "- org/sums\n", "finetune generate --model org/tiny --adapter me/adapter",
		`PeftModel.from_pretrained(base, "me/adapter")`, "| steps | 2 |", "block_size: 16\n", "\n| 2 | "} {
		if !strings.Contains(card, want) {
			t.Errorf("the card lacks %q:\n%s", want, card)
		}
	}
	for name := range uploaded {
		if strings.Contains(name, "checkpoint") || strings.Contains(name, "best") || strings.Contains("/"+name, "/.") || name == finetune.RecipeFile {
			t.Errorf("%s is uploaded", name)
		}
	}
	ok(t, "merge", "--model", "org/tiny", "--adapter", "me/adapter", "--output", "merged")
	ok(t, "hub", "upload", "merged", "me/merged", "--message", "First")
	if card := string(s.Repo("models/me/merged").Files["README.md"]); !strings.Contains(card, "library_name: transformers") || !strings.Contains(card, "fine-tuned with lora and merged") || !strings.Contains(card, `tokenizer = AutoTokenizer.from_pretrained("me/merged")`) || strings.Contains(card, "--chat") {
		t.Errorf("the merged model's card:\n%s", card)
	}
	for _, args := range []string{
		"generate --model org/tiny --adapter me/adapter --prompt a --max-new-tokens 2", "generate --model me/merged@main --prompt a --max-new-tokens 2",
		"eval --model org/tiny --task text --data org/sums:test", "eval --model org/tiny --adapter me/adapter --task text --data text=org/sums:main",
		"data org/sums:main/train --model org/tiny --task text", "inspect org/tiny", "inspect me/adapter", "inspect run", "bench --model org/tiny --dense 8 --batch 1 --steps 1",
		"bench --model org/tiny --data org/sums --task text --batch 1 --steps 1", "tokenizer --data org/sums:test --vocab-size 300 --output tok",
		"train --model org/tiny --task text --data org/sums --output other --dry-run",
		"train --model org/tiny --task text --data org/sums --output more -s adapter=me/adapter -s max_steps=1 -s task_options.block_size=16",
	} {
		ok(t, strings.Fields(args)...)
	}
	ok(t, "hub", "rm", "org/tiny")
	ok(t, "generate", "--adapter", "me/adapter", "--prompt", "a", "--max-new-tokens", "2") // its base comes from the Hub again
	t.Setenv("HF_HUB_OFFLINE", "1")
	s.Requests()
	ok(t, "generate", "--adapter", "me/adapter", "--prompt", "a", "--max-new-tokens", "2")
	ok(t, "generate", "--model", "org/tiny", "--adapter", "me/adapter", "--prompt", "a", "--max-new-tokens", "2")
	ok(t, "train", "--model", "org/tiny", "--method", "lora", "--task", "text", "--data", "org/sums:main/train", "--output", "run", "-s", "max_steps=2",
		"-s", "task_options.block_size=16", "-s", "eval_steps=1", "--resume")
	if r := s.Requests(); len(r) != 0 {
		t.Errorf("requests while offline: %v", r)
	}
}

// TestLocalWins has a folder of the name of a repository.
func TestLocalWins(t *testing.T) {
	base, err := filepath.Abs(filepath.Join("..", "..", "evaldata", "base"))
	if err != nil {
		t.Fatal(err)
	}
	s := newHub(t)
	if err := os.CopyFS("org/tiny", os.DirFS(base)); err != nil {
		t.Fatal(err)
	}
	s.Requests()
	_, out, text := finetuneCmd(t, "generate", "--model", "org/tiny", "--prompt", "a", "--max-new-tokens", "1")
	if out == "" || !strings.Contains(text, "the local one is used, not the Hub's of that name name=org/tiny") || len(s.Requests()) != 0 {
		t.Errorf("%q, %q", out, text)
	}
}

// TestHubWrong has everything that may go wrong with a Hub. Each exits with 1, and the last line says what to do.
func TestHubWrong(t *testing.T) {
	model := "generate --prompt a --model "
	for _, tt := range []struct {
		name, args string
		fault      hubtest.Fault
		env        string
		want       string
	}{
		{name: "no such repository", args: model + "org/none", want: "there is no file or folder org/none here, and on the Hub: org/none: no such repository (HTTP 404): check the name"},
		{name: "no such revision", args: model + "org/tiny@v9", want: `"v9" is no branch, tag or commit of it`},
		{name: "gated", args: model + "org/gated", want: "ask for access at "},
		{name: "a token is needed", args: model + "org/tiny", env: "server token", want: "it is private or gated, or does not exist; check the name, or log in: set HF_TOKEN"},
		{name: "the token is wrong", args: model + "org/tiny", env: "HF_TOKEN=wrong", want: "the token of HF_TOKEN is refused"},
		{name: "offline", args: model + "org/tiny", env: "HF_HUB_OFFLINE=1", want: "not in the cache; offline: HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set"},
		{name: "wrong bytes", args: model + "org/tiny", fault: hubtest.Fault{File: "model.safetensors", Flip: hubtest.Always}, want: "model.safetensors: wrong content: SHA-256 is"},
		{name: "a file is refused", args: model + "org/tiny", fault: hubtest.Fault{Status: 403, Times: hubtest.Always, On: "cdn"}, want: "which refuses"},
		{name: "an adapter as a model", args: "generate --prompt a --model embedded --adapter org/tiny", want: "not an adapter: want adapter_config.json"},
		{name: "no such split", args: "eval --model org/tiny --task text --data org/sums:dev", want: "want dev; there are main/test, main/train"},
		{name: "a model as data", args: "eval --model org/tiny --task text --data org/tiny", want: "org/tiny: there is no data set of this name, but a model; it is named as a model (--model)"},
		{name: "a data set as a model", args: model + "org/sums", want: "org/sums: there is no model of this name, but a data set; it is named as data (--data)"},
		{name: "download of a data set as a model", args: "hub download org/sums", want: "org/sums: there is no model of this name, but a data set; add --dataset"},
		{name: "listing of a model as a data set", args: "hub ls org/tiny --dataset", want: "org/tiny: there is no data set of this name, but a model; leave out --dataset"},
		{name: "data that are not converted", args: "eval --model org/tiny --task text --data org/raw", want: `org/raw: the Hub has not converted it to Parquet; it has README.md, a/1.jsonl.gz, a/2.jsonl.gz, b.csv: ` +
			`download those of its own files that are data, and name them: finetune hub download org/raw --dataset --include "*.jsonl.gz" prints their folder`},
		{name: "a column that data do not have", args: "eval --model org/tiny --task text --data org/sums:test --set columns={text:says}", want: `columns: org/sums:test/0000.parquet has no column "says"`},
		{name: "upload offline", args: "hub upload org/run me/run", env: "HF_HUB_OFFLINE=1", want: "me/run: an upload needs the network: offline: HF_HUB_OFFLINE"},
		{name: "a file that is not there", args: "eval --model org/tiny --task text --data data/train.jsonl", want: "open data/train.jsonl: no such file or directory"},
		{name: "a name without a slash", args: model + "tiny", want: "tiny: no such folder"},
		{name: "in a recipe", args: "train --model org/none --task text --data x.txt --output run", want: "model: there is no file or folder org/none here"},
		{name: "no name", args: "hub download org//tiny", want: `"org//tiny": no name of a repository; want org/name`},
		{name: "patterns without a match", args: "hub download org/tiny --include *.gguf", want: "no file matches *.gguf; there are README.md"},
		{name: "not in the cache", args: "hub verify org/tiny", want: "org/tiny: not in the cache"},
		{name: "nothing to remove", args: "hub rm org/tiny", want: "org/tiny: not in the cache"},
		{name: "upload without a token", args: "hub upload org/run me/run", want: "an upload needs a token that may write: set HF_TOKEN"},
		{name: "upload of no folder", args: "hub upload none me/run", env: "HF_TOKEN=t", want: "none: no such file or directory"},
		{name: "upload that is refused", args: "hub upload org/run me/run", fault: hubtest.Fault{Status: 403, Times: hubtest.Always, On: "commit"}, env: "HF_TOKEN=t",
			want: "me/run: not allowed (HTTP 403): the token lacks the right"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newHub(t)
			s.Add("datasets/org/raw", map[string][]byte{"README.md": nil, "a/1.jsonl.gz": nil, "a/2.jsonl.gz": nil, "b.csv": nil})
			if err := os.MkdirAll("org/run", 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile("org/run/config.json", []byte("{}"), 0o666); err != nil {
				t.Fatal(err)
			}
			s.SetFault(tt.fault)
			if key, value, ok := strings.Cut(tt.env, "="); ok {
				t.Setenv(key, value)
			}
			if tt.env == "server token" || tt.env == "HF_TOKEN=wrong" {
				s.Token = "right"
			}
			code, out, err := finetuneCmd(t, strings.Fields(tt.args)...)
			lines := strings.Split(strings.TrimSpace(err), "\n")
			if last := lines[len(lines)-1]; code != 1 || !strings.HasPrefix(last, "finetune: ") || !strings.Contains(last, tt.want) || out != "" {
				t.Errorf("exit %d, %q, %q\nwant %q", code, out, err, tt.want)
			}
		})
	}
}

// TestHubInterrupted ends a download in the middle, as Ctrl-C does. The same command then goes on from there.
func TestHubInterrupted(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot interrupt itself there")
	}
	s := newHub(t)
	s.SetFault(hubtest.Fault{File: "model.safetensors", Stall: 1})
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	partial := filepath.Join(os.Getenv("HF_HOME"), "hub", "models--org--tiny", "blobs", "*.incomplete")
	go func() {
		for range 1000 {
			time.Sleep(20 * time.Millisecond)
			if files, _ := filepath.Glob(partial); len(files) == 1 {
				if st, err := os.Stat(files[0]); err == nil && st.Size() > 1_000_000 {
					_ = self.Signal(os.Interrupt)
					return
				}
			}
		}
	}()
	code, _, text := finetuneCmd(t, "hub", "download", "org/tiny")
	if code != 130 || !strings.Contains(text, "was interrupted; the same command goes on from there") || !strings.HasSuffix(text, "finetune: interrupted\n") {
		t.Errorf("exit %d, %q", code, text)
	}
	s.Requests()
	dir := strings.TrimSpace(ok(t, "hub", "download", "org/tiny"))
	if !bytes.Equal(folderFiles(t, dir)["model.safetensors"], s.Repo("models/org/tiny").Files["model.safetensors"]) {
		t.Error("wrong bytes")
	}
	ranges := 0
	for _, r := range s.Requests() {
		if r.Range != "" {
			ranges++
		}
	}
	if ranges == 0 {
		t.Error("it began again")
	}
}

// TestCardWithoutRecord makes cards for folders that no run here has left.
func TestCardWithoutRecord(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, v any) {
		raw, err := json.Marshal(v)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), raw, 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write("adapter_config.json", map[string]any{"peft_type": "LORA", "use_mora": true, "mora_type": 6, "r": 8, "target_modules": "all-linear", "base_model_name_or_path": "org/base"})
	card, err := finetune.Card(dir, "me/mora")
	if err != nil || !strings.Contains(card, "finetune merge --model org/base --adapter me/mora") || strings.Contains(card, "from peft import") || strings.Contains(card, "## Training") {
		t.Errorf("%v\n%s", err, card)
	}
	write(finetune.RecordFile, "no record")
	if _, err := finetune.Card(dir, "me/mora"); err == nil || !strings.Contains(err.Error(), "run.json") {
		t.Errorf("a wrong record: %v", err)
	}
}

// TestCardOfChat uploads an adapter that was trained on conversations, with a template whose tokens the base lacks, and without a
// score. The same data set is trained on and evaluated.
func TestCardOfChat(t *testing.T) {
	s := newHub(t)
	type message struct {
		Role    string `parquet:"role"`
		Content string `parquet:"content"`
	}
	type conversation struct {
		Messages []message `parquet:"messages,list"`
	}
	var rows bytes.Buffer
	if err := parquet.Write(&rows, []conversation{{[]message{{"user", "hi"}, {"assistant", "ho"}}}, {[]message{{"user", "one"}, {"assistant", "two"}}}}); err != nil {
		t.Fatal(err)
	}
	s.Add("datasets/org/chats", map[string][]byte{"main/train/0000.parquet": rows.Bytes(), "main/test/0000.parquet": rows.Bytes()}).Refs =
		map[string]string{"refs/convert/parquet": ""}
	t.Setenv("HF_TOKEN", "token")
	ok(t, "train", "--model", "org/tiny", "--method", "lora", "--task", "instruct", "--data", "org/chats", "-s", "eval_data=org/chats:test", "-s", "chat_template=chatml",
		"--output", "run", "-s", "max_steps=2", "-s", "max_length=32")
	ok(t, "hub", "upload", "run", "me/chat")
	card := string(s.Repo("models/me/chat").Files["README.md"])
	base := `"org/tiny", revision="` + s.Repo("models/org/tiny").Commit() + `"`
	for _, want := range []string{
		"finetune generate --model org/tiny --adapter me/chat --chat --prompt TEXT\n", "datasets:\n- org/chats\npipeline_tag", "| step | held-out loss |\n|---|---|\n",
		"    base = AutoModelForCausalLM.from_pretrained(" + base + ")\n    tokenizer = AutoTokenizer.from_pretrained(\"me/chat\", config=base.config)\n" +
			"    base.resize_token_embeddings(len(tokenizer))\n    model = PeftModel.from_pretrained(base, \"me/chat\")\n",
	} {
		if !strings.Contains(card, want) {
			t.Errorf("the card lacks %q:\n%s", want, card)
		}
	}
	if m := regexp.MustCompile(`\| training loss \| (.*) \|`).FindStringSubmatch(card); m == nil || strings.Contains(m[1], "at the end") {
		t.Errorf("one mean of the loss stands there as %q", m)
	}
}

// hubBlock matches the blocks of documents that are run against a Hub.
var hubBlock = regexp.MustCompile("(?s)```sh\n([^`]*finetune hub upload[^`]*)```")

// TestHubDocuments runs the lines of README.md, docs/tour.md and docs/hub.md that download and publish, as they are written.
func TestHubDocuments(t *testing.T) {
	if testing.Short() {
		t.Skip("trains three times")
	}
	lines := map[string][]string{}
	for _, file := range []string{"README.md", "docs/tour.md", "docs/hub.md"} {
		raw, err := os.ReadFile(filepath.Join("..", "..", file))
		if err != nil {
			t.Fatal(err)
		}
		block := hubBlock.FindSubmatch(raw)
		if block == nil {
			t.Fatalf("%s has no such block", file)
		}
		lines[file] = strings.Split(strings.TrimSpace(strings.ReplaceAll(string(block[1]), "\\\n", " ")), "\n")
	}
	s := newHub(t)
	type problem struct {
		Question string `parquet:"question"`
		Answer   string `parquet:"answer"`
	}
	var problems []problem
	for i := range 40 {
		problems = append(problems, problem{fmt.Sprintf("What is %d plus 1?", i), fmt.Sprintf("One more. #### %d", i+1)})
	}
	var rows bytes.Buffer
	if err := parquet.Write(&rows, problems); err != nil {
		t.Fatal(err)
	}
	s.Add("models/HuggingFaceTB/SmolLM2-135M-Instruct", s.Repo("models/org/tiny").Files)
	s.Add("datasets/openai/gsm8k", map[string][]byte{"main/train/0000.parquet": rows.Bytes(), "main/test/0000.parquet": rows.Bytes()}).Refs =
		map[string]string{"refs/convert/parquet": ""}
	t.Setenv("HF_TOKEN", "token")
	n := 0
	for file, all := range lines {
		for _, line := range all {
			args, err := words(strings.TrimPrefix(line, "finetune "))
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			n++
			if code, _, text := finetuneCmd(t, args...); code != 0 {
				t.Errorf("%s: %s: exit %d: %s", file, line, code, text)
			}
		}
	}
	if n < 15 {
		t.Errorf("ran %d lines", n)
	}
}

// TestCardOfLocalBase uploads an adapter of a base that is only here. The card has no path of this machine, and one that
// the folder has is not replaced.
func TestCardOfLocalBase(t *testing.T) {
	base, err := filepath.Abs(filepath.Join("..", "..", "evaldata", "base"))
	if err != nil {
		t.Fatal(err)
	}
	s := newHub(t)
	t.Setenv("HF_TOKEN", "token")
	if err := os.WriteFile("data.txt", []byte(strings.Repeat("one two three\n", 100)), 0o666); err != nil {
		t.Fatal(err)
	}
	ok(t, "train", "--model", base, "--task", "text", "--data", "./data.txt", "--output", "run", "-s", "max_steps=1", "-s", "task_options.block_size=16")
	ok(t, "hub", "upload", "run", "me/local")
	card := string(s.Repo("models/me/local").Files["README.md"])
	if strings.Contains(card, filepath.Dir(base)) || strings.Contains(card, "base_model:") || !strings.Contains(card, "BASE is the folder of base, which is not on the Hub.") ||
		!strings.Contains(card, "data: data.txt\n") || !strings.Contains(card, "finetune merge --model BASE --adapter me/local") {
		t.Errorf("the card:\n%s", card)
	}
	for name, content := range s.Repo("models/me/local").Files {
		if bytes.Contains(content, []byte(filepath.Dir(base))) {
			t.Errorf("%s has a path of this machine", name)
		}
	}
	if err := os.WriteFile(filepath.Join("run", "README.md"), []byte("# Mine"), 0o666); err != nil {
		t.Fatal(err)
	}
	ok(t, "hub", "upload", "run", "me/local")
	if card := string(s.Repo("models/me/local").Files["README.md"]); card != "# Mine" {
		t.Errorf("the folder's own card is replaced: %q", card)
	}
}
