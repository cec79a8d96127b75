package experiments

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spagotune/spagotune/finetune"
)

// runShard makes the table "memory" as one of several processes would that look for work often.
func runShard(ctx context.Context, o Options, expiry time.Duration) error {
	t, err := prepare("memory", o, false)
	if err != nil {
		return err
	}
	t.expiry, t.poll = expiry, 20*time.Millisecond
	return t.run(ctx)
}

// TestShards makes a table by three shards at once: no step is made twice, and the table is that of one process.
func TestShards(t *testing.T) {
	whole := stubOptions(t, stubRecipes())
	wanted := 0
	whole.Progress = func(finetune.Progress) { wanted++ }
	if err := Run(t.Context(), "memory", whole); err != nil {
		t.Fatal(err)
	}
	shared := stubOptions(t, stubRecipes())
	var steps atomic.Int32
	shared.Progress = func(finetune.Progress) { steps.Add(1) }
	var all sync.WaitGroup
	for i := range 3 {
		o := shared
		o.Shard = Shard{Index: i + 1, Count: 3}
		all.Go(func() {
			if err := runShard(t.Context(), o, time.Minute); err != nil {
				t.Errorf("shard %d: %v", i+1, err)
			}
		})
	}
	all.Wait()
	want, got := readRecords(t, whole.Output), readRecords(t, shared.Output)
	if a, b := slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)); !slices.Equal(a, b) {
		t.Fatalf("records are %v, want %v", b, a)
	}
	for name := range want {
		if a, b := outcome(want[name]), outcome(got[name]); a != b {
			t.Errorf("%s is\n%s\nwant\n%s", name, b, a)
		}
	}
	if int(steps.Load()) != wanted {
		t.Errorf("%d steps, want %d", steps.Load(), wanted)
	}
	figures := func(o Options) string { // without what differs from run to run
		lines := slices.DeleteFunc(strings.Split(readText(t, o.Output, "memory.csv"), "\n"), func(l string) bool {
			return strings.Contains(l, "training seconds") || strings.Contains(l, "peak bytes")
		})
		return strings.Join(lines, "\n")
	}
	if a, b := figures(whole), figures(shared); a != b {
		t.Errorf("the figures are\n%s\nwant\n%s", b, a)
	}
	if _, err := os.Stat(filepath.Join(shared.Output, "leases")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("leases are left: %v", err)
	}
}

// TestDeadShard checks that a run whose shard has died goes on in another shard from its last checkpoint, and that the
// table of what is finished can be had before.
func TestDeadShard(t *testing.T) {
	o := stubOptions(t, stubRecipes("{name: lora-8, method: lora, learning_rate: 0.02}"))
	o.Seeds, o.Shard = 1, Shard{Index: 1, Count: 2}
	dead, err := prepare("memory", o, false)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	steps := 0
	dead.options.Progress = func(finetune.Progress) {
		if steps++; steps == 5 {
			cancel()
		}
	}
	if err := dead.run(ctx); !errors.Is(err, finetune.ErrInterrupted) {
		t.Fatal(err)
	}
	run := dead.file(dead.runnable[0].seedJobs(dead.runnable[0].recipe)[0])
	lease := filepath.Join(o.Output, "leases", run+".1")
	if err := os.MkdirAll(filepath.Dir(lease), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(lease, []byte("a process that was killed"), 0o666); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	collect := o
	collect.Collect, collect.Out = true, &out
	if err := Run(t.Context(), "memory", collect); err != nil || !strings.Contains(out.String(), "At least 1 runs are not finished yet.") {
		t.Errorf("collected %v\n%s", err, out.String())
	}
	steps = 0
	o.Progress = func(finetune.Progress) { steps++ }
	o.Shard.Index = 2
	start := time.Now()
	if err := runShard(t.Context(), o, 300*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if time.Since(start) < 300*time.Millisecond || steps == 0 || steps > 2 {
		t.Errorf("the other shard made %d steps after %v", steps, time.Since(start))
	}
	if got := readRecords(t, o.Output); got["lora-8.seed-1"].Steps != 6 {
		t.Errorf("records are %v", got)
	}
}

// TestCollectNothing checks that a mistyped folder is no empty table, and that none is created.
func TestCollectNothing(t *testing.T) {
	o := stubOptions(t, stubRecipes("{name: lora-8, method: lora}"))
	o.Collect, o.Output = true, filepath.Join(t.TempDir(), "mistyped")
	if err := Run(t.Context(), "memory", o); err == nil || !strings.Contains(err.Error(), "there is no table in "+o.Output) {
		t.Errorf("%v, want an error that says that there is no table", err)
	}
	if _, err := os.Stat(o.Output); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is there: %v", err)
	}
}

// TestShardsBegin checks that shards begin at different runs.
func TestShardsBegin(t *testing.T) {
	for _, count := range []int{4, 0} {
		var from []int
		for i := range 4 {
			from = append(from, Shard{Index: i + 1, Count: count}.from(20))
		}
		slices.Sort(from)
		if len(slices.Compact(from)) != 4 || from[0] != 0 || from[3] >= 20 {
			t.Errorf("count %d: %v", count, from)
		}
	}
}
