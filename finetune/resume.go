package finetune

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// findCheckpoint looks at the output folder. An existing run is resumed, overwritten or refused, as the options say.
func (r *run) findCheckpoint() error {
	dir := r.config.Save.OutputDir
	if dir == "" {
		return errors.New("output_dir is empty; name a folder for the run")
	}
	if r.options.Resume && r.options.Overwrite {
		return errors.New("--resume and --overwrite are given: want one of them")
	}
	if err := r.config.holdsInput(); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	entries = slices.DeleteFunc(entries, func(e os.DirEntry) bool { return e.Name() == lockFile })
	switch {
	case errors.Is(err, os.ErrNotExist), err == nil && len(entries) == 0:
		if r.options.Resume {
			r.options.Log.Info().Str("output_dir", dir).Msg("nothing to resume; starting from the beginning")
		}
		return nil
	case err != nil:
		return fmt.Errorf("output_dir: %w", err)
	case r.options.Overwrite:
		return cmp.Or(checkRun(dir), r.lock())
	case !r.options.Resume:
		return fmt.Errorf("output_dir: %s is not empty; use --resume to continue that run or --overwrite to replace it", dir)
	}
	if err := r.lock(); err != nil {
		return err
	}
	if err := r.sweep(dir); err != nil {
		return err
	}
	found, s, broken, err := latestCheckpoint(dir)
	if err != nil {
		return err
	}
	if foreign, err := others(dir); found == "" && broken == nil && err == nil && len(foreign) == 0 {
		r.options.Log.Info().Str("output_dir", dir).Msg("the run has no checkpoint yet; starting from the beginning")
		return nil
	}
	if found == "" {
		return fmt.Errorf("output_dir: %s has no whole checkpoint to resume (%s); use --overwrite to start again", dir, cmp.Or(strings.Join(broken, ", "), "it has none at all"))
	}
	for _, b := range broken {
		r.options.Log.Warn().Str("checkpoint", b).Msg("checkpoint is damaged; an older one is used")
	}
	r.resumeFrom, r.state = found, s
	return nil
}

// readCheckpoint compares the run with the state of the checkpoint that it resumes from.
func (r *run) readCheckpoint() error {
	if r.resumeFrom == "" {
		return nil
	}
	if !r.leads() {
		var err error
		if r.state, err = readState(r.resumeFrom); err != nil {
			return fmt.Errorf("%s, which rank 0 resumes from, cannot be read here: %w; all ranks must see the same output_dir", r.resumeFrom, err)
		}
	}
	r.clock.read(r.resumeFrom)
	if err := r.checkArithmetic(); err != nil {
		return err
	}
	r.keepSplit()
	if err := r.compareRecipe(); err != nil {
		return err
	}
	if r.state.Seed != r.config.Train.Seed {
		return fmt.Errorf("seed is %d, but the run in %s has %d", r.config.Train.Seed, r.config.Save.OutputDir, r.state.Seed)
	}
	return nil
}

// restore loads the state of the optimizer and the adapter from the checkpoint that the run resumes from.
func (r *run) restore() error {
	settings, err := r.config.resolved()
	if err != nil {
		return err
	}
	r.settings = settings
	digest, err := r.fixedDigest(settings)
	if err != nil {
		return err
	}
	evaluation := r.evaluationDigest(settings)
	tok := r.tok.Fingerprint()
	if err := r.noteModified(); err != nil {
		return err
	}
	if r.resumeFrom == "" {
		r.state = TrainerState{Seed: r.config.Train.Seed, Tokenizer: tok, Digest: digest, EvalDigest: evaluation, Recipe: asMap(settings), Arithmetic: r.config.Train.arithmetic(), Ranks: r.config.Train.ranks}
		return nil
	}
	if then := r.state.Tokenizer; then != "" && then != tok {
		return fmt.Errorf("tokenizer: that in %s is another one than when %s was written: the run cannot go on with other tokens; use --overwrite to start again", r.tokenizerDir, r.resumeFrom)
	}
	if err := r.checkDigest(digest); err != nil {
		return err
	}
	r.restartBest(evaluation)
	r.checkBest()
	r.stopEarly()
	r.state.Digest, r.state.Recipe, r.state.Tokenizer = digest, asMap(settings), tok
	return r.loadState()
}

// noteModified keeps when the files of streamed data were last modified, and says so where that is not when it was before the run
// was resumed.
func (r *run) noteModified() error {
	if !r.config.Task.Streaming {
		return nil
	}
	states, err := r.config.Task.Data.States()
	if err != nil {
		return err
	}
	then := r.clock.Data
	r.clock.Data = nil
	for i, f := range states {
		if i < len(then) && !then[i].Equal(f.Modified) {
			r.options.Log.Warn().Str("file", f.Path).Time("then", then[i]).Time("now", f.Modified).
				Msg("a file of the data was modified since the run began: the rows trained on so far are compared, those after them may be other ones")
		}
		r.clock.Data = append(r.clock.Data, f.Modified)
	}
	return nil
}

// checkDigest compares the run with the one that the checkpoint is of.
func (r *run) checkDigest(digest string) error {
	if r.state.Digest == digest || r.state.Recipe == nil && r.state.Digest == r.earlierDigest() {
		return nil
	}
	if r.state.Recipe != nil {
		if known, err := r.fixedDigest(r.keysThen()); err != nil || r.state.Digest == known {
			return err
		}
		return r.rowsChanged()
	}
	legacy, changed := r.legacyRun(r.state.Digest)
	switch {
	case !legacy:
		return fmt.Errorf("the recipe or the data have changed since %s was written; use --overwrite to start again", r.resumeFrom)
	case changed != "":
		return fmt.Errorf("%s was made by an earlier version: %s", r.resumeFrom, changed)
	}
	r.options.Log.Warn().Msg("the checkpoint was made by an earlier version: the run continues, but not to the same bits")
	return nil
}

// keysThen are the settings whose keys the checkpoint knows. Those that are newer have their defaults, or compareRecipe would have
// refused them.
func (r *run) keysThen() []setting {
	return slices.DeleteFunc(slices.Clone(r.settings), func(s setting) bool { return r.state.Recipe[s.key] == nil })
}

// loadState loads the state of the optimizer and the adapter.
func (r *run) loadState() error {
	if now := kernel(r.config.Train.arithmetic()); r.state.Kernel != now {
		r.options.Log.Warn().Str("then", r.state.Kernel).Str("now", now).
			Msg("the checkpoint was made on another kernel: the run continues, but not to the same bits")
	}
	if err := r.trainer.Optimizer.Load(filepath.Join(r.resumeFrom, "optimizer.safetensors")); err != nil {
		return err
	}
	if r.adapter != nil {
		if err := r.adapter.LoadState(r.resumeFrom); err != nil {
			return err
		}
	}
	r.options.Log.Info().Str("checkpoint", r.resumeFrom).Int("step", r.state.Step).Msg("resumed")
	return nil
}

// earlierDigest is the digest of runs whose checkpoints do not keep the recipe: it covers all keys that decide the course, the
// length of the run too, and the training rows.
func (r *run) earlierDigest() string {
	course, err := json.Marshal(r.asGiven().courseKeys())
	if err != nil {
		return ""
	}
	return digestOf(course, r.rows)
}
