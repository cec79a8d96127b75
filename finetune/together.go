package finetune

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/build"
)

// leads says whether this process writes the run's files: rank 0, or the only one.
func (r *run) leads() bool { return r.options.Ranks == nil || r.options.Ranks.Rank() == 0 }

// numRanks is the number of processes of the run.
func (r *run) numRanks() int {
	if r.options.Ranks == nil {
		return 1
	}
	return r.options.Ranks.Size()
}

// together returns err, or the error of the first rank that has one.
func (r *run) together(err error) error {
	if r.options.Ranks == nil {
		return err
	}
	_, err = exchange(r.options.Ranks, struct{}{}, err)
	return err
}

// shareCheckpoint lets rank 0 look at the output folder, and the others resume from what it has found.
func (r *run) shareCheckpoint() error {
	var err error
	if r.leads() {
		err = r.findCheckpoint()
	}
	r.resumeFrom, err = infer.FromFirst(r.options.Ranks, r.resumeFrom, err)
	return err
}

// shareBatch sets how many ranks multiply the batch: as many as there are, or as there were when the run began, so that the
// batches of a resumed run stay the same.
func (r *run) shareBatch() {
	t := &r.config.Train
	t.ranks = r.state.Ranks
	size := r.numRanks()
	if r.resumeFrom == "" && size > 1 {
		t.ranks = size
	}
	if max(size, t.ranks) < 2 {
		return
	}
	of := "ranks"
	if size != max(t.ranks, 1) {
		of = "ranks that the run was begun with"
	}
	_, _ = fmt.Fprintf(r.options.Out, "batch: %d rows, processes: %d (%d %s × per_device_train_batch_size %d × gradient_accumulation_steps %d)\n",
		t.batchSize(), size, max(t.ranks, 1), of, t.PerDeviceTrainBatchSize, t.GradientAccumulationSteps)
}

// sameRuns returns an error unless all ranks have the same program, kernel, model, data and recipe.
func (r *run) sameRuns() error {
	if r.options.Ranks == nil {
		return nil
	}
	return infer.SameOn(r.options.Ranks, r.identity())
}

// shareFolder returns an error unless all ranks see the output folder of rank 0, by whatever path: in a file that rank 0 writes there.
func (r *run) shareFolder() (err error) {
	if r.options.Ranks == nil {
		return nil
	}
	dir := r.config.Save.OutputDir
	probe := [2]string{dir, ".spagotune-probe-" + rand.Text() + ".tmp"}
	if r.leads() {
		_, absent := os.Stat(dir)
		if err = os.MkdirAll(dir, 0o777); err == nil {
			err = os.WriteFile(filepath.Join(dir, probe[1]), []byte(probe[1]), 0o666)
		}
		defer func() {
			_ = os.Remove(filepath.Join(dir, probe[1]))
			if err != nil && absent != nil {
				_ = os.Remove(dir)
			}
		}()
	}
	if probe, err = infer.FromFirst(r.options.Ranks, probe, err); err != nil {
		return err
	}
	if !sees(filepath.Join(dir, probe[1]), probe[1]) {
		err = fmt.Errorf("does not see rank 0's output folder, %s: %s is another; all ranks must see the same folder", probe[0], dir)
	}
	return r.together(err)
}

// sees says whether a file has a content, now or, as in network file systems, within two seconds.
func sees(path, content string) bool {
	for range 20 {
		if text, err := os.ReadFile(path); err == nil && string(text) == content {
			return true
		}
		time.Sleep(100 * time.Millisecond)
	}
	return false
}

// identity is what the ranks of a run must have in common: names for people, and values or digests.
func (r *run) identity() [][2]string {
	all := build.This(r.options.Version).Identity(kernel(r.config.Train.arithmetic()))
	add := func(name, value string) { all = append(all, [2]string{name, value}) }
	for _, s := range r.settings {
		if name, _, _ := strings.Cut(s.key, "."); !pathKeys[name] && s.key != "base_model" { // the content is compared below
			add("recipe: "+s.key, string(s.value))
		}
	}
	add("model", r.model.Fingerprint())
	add("training data", digestOf(nil, r.rows)[:12])
	add("evaluation data", digestOf(nil, r.evalRows)[:12])
	add("checkpoint", r.state.SHA256)
	return all
}

// The reasons for which a run ends between two steps.
const (
	stopNot = iota
	stopTimeUp
	stopInterrupted
)

// stops says whether the run ends before its next step. All ranks end if one of them does.
func (r *run) stops(ctx context.Context) (stop int, err error) {
	switch most := r.options.MaxTime; {
	case ctx.Err() != nil:
		stop = stopInterrupted
	case most > 0 && time.Since(r.began) >= most:
		stop = stopTimeUp
	}
	if r.options.Ranks == nil {
		return stop, nil
	}
	all, err := exchange(r.options.Ranks, stop, nil)
	for _, other := range all {
		stop = max(stop, other)
	}
	return stop, err
}

// uncancelled is the context of the work between two calls of stops: with ranks, none stops where others do not.
func (r *run) uncancelled(ctx context.Context) context.Context {
	if r.options.Ranks == nil {
		return ctx
	}
	return context.WithoutCancel(ctx)
}
