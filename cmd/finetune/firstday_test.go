package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/finetune"
)

func TestVersionFlag(t *testing.T) {
	if flag, verb := ok(t, "--version"), ok(t, "version"); strings.TrimSpace(flag) != strings.TrimSpace(verb) {
		t.Errorf("--version prints %q, version %q", flag, verb)
	}
}

func TestCompletion(t *testing.T) {
	for shell, want := range map[string][]string{
		"bash": {"train doctor generate predict", "train:--method) words='adalora ", "complete -o default -F _finetune finetune"},
		"zsh":  {"#compdef finetune", "'train:Fine-tune a model.", "*--task[", "(arc biommlu "},
		"fish": {"-a train -d", "__fish_seen_subcommand_from train' -l model -r"},
	} {
		script := ok(t, "completion", shell)
		for _, w := range want {
			if !strings.Contains(script, w) {
				t.Errorf("%s: %q is not in\n%s", shell, w, script)
			}
		}
		if path, err := exec.LookPath(shell); err == nil {
			c := exec.Command(path, "-n")
			c.Stdin = strings.NewReader(script)
			if out, err := c.CombinedOutput(); err != nil {
				t.Errorf("%s does not take the script: %v, %s", shell, err, out)
			}
		}
	}
	if code, _, stderr := finetuneCmd(t, "completion", "tcsh"); code != 2 || !strings.Contains(stderr, "bash") {
		t.Errorf("tcsh: exit %d, %s", code, stderr)
	}
}

// TestBashCompletes lets bash complete words.
func TestBashCompletes(t *testing.T) {
	path, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	for _, c := range []struct{ words, want string }{
		{"finetune tra", "train"}, {"finetune train --lr", ""}, {"finetune train --ove", "--overwrite"}, {"finetune train --method olo", "olora"},
		{"finetune merge --dtype B", "BF16"},
	} {
		script := ok(t, "completion", "bash") + "COMP_WORDS=(" + c.words + "); COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _finetune; echo \"${COMPREPLY[*]}\"\n"
		cmd := exec.Command(path)
		cmd.Stdin = strings.NewReader(script)
		out, err := cmd.CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != c.want {
			t.Errorf("%s: got %q, %v, want %q", c.words, out, err, c.want)
		}
	}
}

func TestFiveDigits(t *testing.T) {
	for in, want := range map[string]string{"0.123456789": "0.12346", "3e-05": "3e-05", "12345.678": "12346", "1234567": "1234567", "0.00031415926": "0.00031416"} {
		if got := fiveDigits(json.Number(in)); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
	var out bytes.Buffer
	log := logger(&out, &out, "console")
	log.Info().Float64("loss", 1.23456789).Int("step", 123456).Msg("x")
	if !strings.Contains(out.String(), "loss=1.2346") || !strings.Contains(out.String(), "step=123456") {
		t.Errorf("got %s", out.String())
	}
	out.Reset()
	log = logger(&out, &out, "json")
	log.Info().Float64("loss", 1.23456789).Msg("x")
	if !strings.Contains(out.String(), "1.23456789") {
		t.Errorf("got %s", out.String())
	}
}

// TestNoticesAboveTheBar: a notice clears the bar, stands on a line of its own, and the bar follows it. Lines about steps
// are left to the bar.
func TestNoticesAboveTheBar(t *testing.T) {
	var out bytes.Buffer
	p := &progress{w: &out}
	log := logger(p, &out, "console").Hook(zerolog.HookFunc(withoutSteps))
	p.update(finetune.Progress{Step: 1, Steps: 4, Loss: 2.5})
	out.Reset()
	log.Info().Int("step", 1).Msg(finetune.StepMessage)
	if out.Len() > 0 {
		t.Errorf("a line about a step is written: %q", out.String())
	}
	log.Info().Float64("eval_loss", 1.5).Msg("eval")
	got := out.String()
	notice, after, found := strings.Cut(got, "\n")
	if !found || !strings.HasPrefix(notice, "\r") || !strings.Contains(notice, "eval eval_loss=1.5") || strings.Contains(notice, "2.5000") || !strings.Contains(after, "loss 2.5000") {
		t.Errorf("got %q", got)
	}
	p.done()
	out.Reset()
	log.Info().Msg("later")
	if strings.Contains(out.String(), "\r") || !strings.HasSuffix(out.String(), "later\n") {
		t.Errorf("after the bar: %q", out.String())
	}
}

// TestInterrupt sends signals to a run: it says that it stops, saves a checkpoint and exits with 128 and the signal's number.
func TestInterrupt(t *testing.T) {
	for s, want := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143, syscall.SIGHUP: 129} {
		if signal.Ignored(s) { // the tests run under nohup, and a run keeps to it
			continue
		}
		output := filepath.Join(t.TempDir(), "run")
		args := []string{"train", "--model", byteModel(t), "--task", "memory", "--method", "lora", "--output", output, "--set", "max_steps=100000", "--set", "logging_steps=1"}
		go func() {
			waitForStep(output)
			_ = syscall.Kill(os.Getpid(), s)
		}()
		code, _, stderr := finetuneCmd(t, args...)
		if code != want || !strings.Contains(stderr, "it stops after this step") || !strings.Contains(stderr, "continue with --resume") {
			t.Errorf("%s: exit %d: %s", s, code, stderr)
		}
		wantCheckpoint(t, output)
	}
}

// waitForStep waits until a run has logged its second step.
func waitForStep(output string) {
	for range 600 {
		if b, err := os.ReadFile(filepath.Join(output, "metrics.jsonl")); err == nil && bytes.Contains(b, []byte(`"step":2`)) {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func wantCheckpoint(t *testing.T, output string) {
	t.Helper()
	if dirs, err := filepath.Glob(filepath.Join(output, "checkpoint-*")); err != nil || len(dirs) == 0 {
		t.Errorf("checkpoints: %v, %v", dirs, err)
	}
}

// TestClosedPipe: a run goes on, and Ctrl-C saves a checkpoint, where nobody reads what it prints any more, as after
// `2>&1 | tee log` and Ctrl-C, which ends tee too.
func TestClosedPipe(t *testing.T) {
	output := filepath.Join(t.TempDir(), "run")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	self := exec.Command(os.Args[0], "-test.run=^$")
	self.Env = append(os.Environ(), "FINETUNE_ARGS="+strings.Join([]string{"train", "--model", byteModel(t), "--task", "memory", "--method", "lora",
		"--output", output, "--set", "max_steps=100000", "--set", "logging_steps=1"}, "\n"))
	self.Stdout, self.Stderr = w, w
	if err := self.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = r.Close(), w.Close()
	waitForStep(output)
	_ = self.Process.Signal(os.Interrupt)
	if err := self.Wait(); self.ProcessState.ExitCode() != 130 {
		t.Errorf("exit %v, want 130", err)
	}
	wantCheckpoint(t, output)
}

// TestMain runs the command itself where FINETUNE_ARGS has its arguments, a line each.
func TestMain(m *testing.M) {
	if args := os.Getenv("FINETUNE_ARGS"); args != "" {
		os.Exit(run(strings.Split(args, "\n"), os.Stdout, os.Stderr))
	}
	code := m.Run()
	_ = os.RemoveAll(mpiFolder)
	os.Exit(code)
}

// TestNextCommandsWork runs what the last lines of train name.
func TestNextCommandsWork(t *testing.T) {
	write := func(name, text string) string {
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return name
	}
	causal, cases := byteModel(t), filepath.Join("..", "..", "testdata", "cases", "pipelines")
	bert, err1 := filepath.Abs(filepath.Join(cases, "base"))
	squad, err2 := filepath.Abs(filepath.Join(cases, "squad-hub-jsonl", "hub.jsonl"))
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	for name, args := range map[string][]string{
		"a run":    {"--model", causal, "--task", "memory"},
		"it's one": {"--model", bert, "--task", "classify", "--data", write("d.csv", "text,text_pair,label\n"+strings.Repeat("-good,it's,pos\nbad,no,neg\n", 10))},
		"qa":       {"--model", bert, "--task", "qa", "--data", squad},
		"full":     {"--model", causal, "--task", "text", "--data", write("d.txt", strings.Repeat("to be or not to be. ", 60)), "--method", "full"},
	} {
		args = append([]string{"train", "--output", name, "--set", "max_steps=1"}, args...)
		_, next, found := strings.Cut(ok(t, args...), "next:\n")
		if !found {
			t.Fatalf("%s: nothing to do next", name)
		}
		for line := range strings.Lines(next) {
			ok(t, shellSplit(t, strings.TrimPrefix(strings.TrimSpace(line), program()))...)
		}
	}
}

// shellSplit lets bash split a command into words.
func shellSplit(t *testing.T, line string) []string {
	t.Helper()
	path, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	out, err := exec.Command(path, "-c", "printf '%s\\0' "+line).Output()
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}
