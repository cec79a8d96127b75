package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// mpiFolder is where mpiProgram has built; TestMain removes it.
var mpiFolder string

// mpiProgram builds the command with the tag mpi.
var mpiProgram = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "finetune-mpi")
	if err != nil {
		return "", err
	}
	mpiFolder = dir
	program := filepath.Join(dir, "finetune")
	if out, err := exec.Command("go", "build", "-tags", "mpi", "-o", program, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return program, nil
})

// mpiLaunchers are the file names of mpirun: that on the path, and those that a variable lists.
func mpiLaunchers(t *testing.T) (all []string) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds another program")
	}
	all = filepath.SplitList(os.Getenv("SPAGOTUNE_MPIRUN"))
	if p, err := exec.LookPath("mpirun"); err == nil {
		all = append(all, p)
	}
	if len(all) == 0 {
		t.Skip("there is no mpirun; SPAGOTUNE_MPIRUN may list some")
	}
	return all
}

// mpirun is a command of several ranks.
func mpirun(t *testing.T, launcher string, ranks int, args ...string) *exec.Cmd {
	t.Helper()
	program, err := mpiProgram()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	own := []string{"-n", strconv.Itoa(ranks)}
	if version, _ := exec.CommandContext(ctx, launcher, "--version").CombinedOutput(); bytes.Contains(version, []byte("Open MPI")) {
		own = append(own, "--oversubscribe")
	}
	c := exec.CommandContext(ctx, launcher, append(append(own, program), args...)...)
	c.Env = append(os.Environ(), "OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1", "PRTE_ALLOW_RUN_AS_ROOT=1", "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM=1")
	return c
}

// ranksArgs is a run whose steps have several micro-batches.
func ranksArgs(output string, rows int, more ...string) []string {
	return append([]string{"train", "--model", "embedded", "--task", "memory", "--method", "lora", "--output", output, "--set", "task_options.pairs=20",
		"--set", "slice_tokens=80", "--set", "eval_steps=4", "--set", "save_steps=2", "--set", "per_device_train_batch_size=" + strconv.Itoa(rows)}, more...)
}

func adapterBytes(t *testing.T, dir string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "adapter_model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Under every launcher there is, ranks give the bytes of one process, and only rank 0 prints.
func TestRanksUnderMPI(t *testing.T) {
	all, dir := mpiLaunchers(t), t.TempDir()
	one := filepath.Join(dir, "one")
	ok(t, ranksArgs(one, 12, "--set", "max_steps=6")...)
	for i, launcher := range all {
		for _, ranks := range []int{2, 3} {
			t.Run(fmt.Sprintf("%s %d", launcher, ranks), func(t *testing.T) {
				output := filepath.Join(dir, fmt.Sprintf("run-%d-%d", i, ranks))
				out, err := mpirun(t, launcher, ranks, ranksArgs(output, 12/ranks, "--set", "max_steps=6")...).CombinedOutput()
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				if !bytes.Equal(adapterBytes(t, output), adapterBytes(t, one)) {
					t.Error("other bytes than one process's")
				}
				if n := bytes.Count(out, []byte("all 6 steps done")); n != 1 {
					t.Errorf("%d ranks say that they are done, want 1:\n%s", n, out)
				}
				if log, err := os.ReadFile(output + ".rank-1.log"); err != nil || !bytes.Contains(log, []byte("eval_loss")) {
					t.Errorf("the log of rank 1: %v\n%s", err, log)
				}
			})
		}
	}
}

// Every method trains to the bytes of one process under every launcher that the variable lists, with accumulation and with epochs
// that end in a smaller batch.
func TestMethodsUnderMPI(t *testing.T) {
	if os.Getenv("SPAGOTUNE_MPIRUN") == "" {
		t.Skip("some minutes; SPAGOTUNE_MPIRUN lists launchers")
	}
	for name, more := range map[string][]string{
		"lora": nil, "mora": {"--method", "mora"}, "dora": {"--method", "dora"}, "adalora": {"--method", "adalora"}, "full": {"--method", "full"},
		"relora": {"--set", "relora_steps=3", "--set", "relora_warmup_steps=1"},
		"remora": {"--method", "mora", "--set", "relora_steps=3", "--set", "relora_warmup_steps=1"},
	} {
		trained := func(ranks int, run func(args []string)) []byte {
			output := filepath.Join(t.TempDir(), "run")
			run(ranksArgs(output, 6/ranks, slices.Concat(more, []string{"--set", "max_steps=6", "--set", "gradient_accumulation_steps=2"})...))
			for _, file := range []string{"adapter_model.safetensors", "model.safetensors"} {
				if b, err := os.ReadFile(filepath.Join(output, file)); err == nil {
					return b
				}
			}
			t.Fatalf("%s: no weights in %s", name, output)
			return nil
		}
		one := trained(1, func(args []string) { ok(t, args...) })
		for _, launcher := range mpiLaunchers(t) {
			for _, ranks := range []int{2, 3} {
				several := trained(ranks, func(args []string) {
					if out, err := mpirun(t, launcher, ranks, args...).CombinedOutput(); err != nil {
						t.Fatalf("%s, %s: %v\n%s", name, launcher, err, out)
					}
				})
				if !bytes.Equal(several, one) {
					t.Errorf("%s, %d ranks under %s: other bytes than one process's", name, ranks, launcher)
				}
			}
		}
	}
}

// Evaluations, predictions and texts are those of one process, and so are their files, wherever they were cut off.
func TestAnswersUnderMPI(t *testing.T) {
	all, dir := mpiLaunchers(t), t.TempDir()
	base := byteModel(t)
	data, run, texts := filepath.Join(dir, "d.csv"), filepath.Join(dir, "run"), filepath.Join(dir, "texts.txt")
	write(t, data, "text,label\n"+strings.Repeat("yes,up\nno,down\n", 16))
	ok(t, "train", "--model", base, "--task", "classify", "--data", data, "--output", run, "--method", "lora", "--set", "max_steps=2")
	lines := ""
	for i := range 150 {
		lines += fmt.Sprintf("text <%d>\n", i)
	}
	write(t, texts, lines)
	for name, args := range map[string][]string{
		"eval":     {"eval", "--model", "embedded", "--task", "memory", "--set", "pairs=70", "--loss"},
		"predict":  {"predict", "--model", base, "--adapter", run, "--file", texts, "--json"},
		"generate": {"generate", "--model", "embedded", "--file", texts, "--temperature", "1", "--seed", "3", "--max-new-tokens", "8", "--json"},
		"prompt":   {"generate", "--model", "embedded", "--prompt", "Once", "--max-new-tokens", "8"},
	} {
		want := ok(t, args...)
		file := filepath.Join(dir, name)
		if name != "prompt" {
			ok(t, append(args, "--answers", file)...)
		}
		for i, launcher := range all {
			t.Run(name+" "+launcher, func(t *testing.T) {
				c := mpirun(t, launcher, 2, args...)
				var stderr bytes.Buffer
				c.Stderr = &stderr
				if got, err := c.Output(); err != nil || string(got) != want {
					t.Errorf("%v\n%s\n%s\none process:\n%s", err, stderr.String(), got, want)
				}
				if name == "prompt" {
					return
				}
				whole, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				again := fmt.Sprintf("%s-%d", file, i)
				write(t, again, string(whole[:len(whole)/3]))
				if out, err := mpirun(t, launcher, 3, append(args, "--answers", again)...).CombinedOutput(); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				if got, err := os.ReadFile(again); err != nil || !bytes.Equal(got, whole) {
					t.Errorf("%v: other lines than one process's:\n%s", err, got)
				}
			})
		}
	}
}

// A bad recipe is told once, and so is a file that is missing.
func TestRanksRefuse(t *testing.T) {
	for _, launcher := range mpiLaunchers(t) {
		t.Run(launcher, func(t *testing.T) {
			out, err := mpirun(t, launcher, 2, ranksArgs(filepath.Join(t.TempDir(), "run"), 4, "--set", "warmup_ratio=2")...).CombinedOutput()
			if err == nil || bytes.Count(out, []byte("finetune: warmup_ratio is 2; want 0 to 1")) != 1 {
				t.Errorf("%v\n%s", err, out)
			}
			out, err = mpirun(t, launcher, 2, "eval", "--model", "embedded", "--task", "math", "--data", "none.jsonl").CombinedOutput()
			if err == nil || bytes.Count(out, []byte("none.jsonl")) != 1 {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// A rank that is killed ends the job, and another number of ranks goes on from its checkpoint, to the bytes of one process.
func TestRankKilled(t *testing.T) {
	all, dir := mpiLaunchers(t), t.TempDir()
	one := filepath.Join(dir, "one")
	ok(t, ranksArgs(one, 8, "--set", "max_steps=40")...)
	for i, launcher := range all {
		t.Run(launcher, func(t *testing.T) {
			output := filepath.Join(dir, fmt.Sprintf("run-%d", i))
			args := ranksArgs(output, 4, "--set", "max_steps=40")
			c := mpirun(t, launcher, 2, args...)
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			await(t, filepath.Join(output, "checkpoint-4"))
			kill(t, output, i%2)
			began := time.Now()
			if err := c.Wait(); err == nil || time.Since(began) > 10*time.Second {
				t.Errorf("the job ends after %v with %v", time.Since(began), err)
			}
			if out, err := mpirun(t, launcher, 3, append(args, "--resume")...).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if !bytes.Equal(adapterBytes(t, output), adapterBytes(t, one)) {
				t.Error("other bytes than one process's")
			}
		})
	}
}

// await waits until a file is there.
func await(t *testing.T, path string) {
	t.Helper()
	for range 1200 {
		if _, err := os.Stat(path); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%s does not come", path)
}

// kill kills a rank of the job whose arguments name an output folder.
func kill(t *testing.T, output string, rank int) {
	t.Helper()
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range procs {
		cmdline, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		environ, _ := os.ReadFile(filepath.Join(dir, "environ"))
		if !bytes.Contains(cmdline, []byte("\x00--output\x00"+output+"\x00")) {
			continue
		}
		for _, name := range []string{"OMPI_COMM_WORLD_RANK", "PMI_RANK"} {
			if !strings.Contains("\x00"+string(environ), fmt.Sprintf("\x00%s=%d\x00", name, rank)) {
				continue
			}
			pid, err := strconv.Atoi(filepath.Base(dir))
			if err == nil {
				err = syscall.Kill(pid, syscall.SIGKILL)
			}
			if err != nil && !errors.Is(err, syscall.ESRCH) {
				t.Fatal(err)
			}
			return
		}
	}
	t.Skip("the process of the rank cannot be found on this system")
}
