package finetune

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spagotune/spagotune/tasks"
)

// findCheckpoint looks at the output folder. An existing run is resumed, overwritten or refused, as the options say.
func (r *run) findCheckpoint() error {
	dir := r.config.Save.OutputDir
	if dir == "" {
		return errors.New("output_dir is empty; name a folder for the run")
	}
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, os.ErrNotExist), err == nil && len(entries) == 0:
		if r.options.Resume {
			r.options.Log.Info().Str("output_dir", dir).Msg("nothing to resume; starting from the beginning")
		}
		return nil
	case err != nil:
		return fmt.Errorf("output_dir: %w", err)
	case r.options.Overwrite:
		return nil
	case !r.options.Resume:
		return fmt.Errorf("output_dir: %s is not empty; use --resume to continue that run or --overwrite to replace it", dir)
	}
	found, s, broken, err := latestCheckpoint(dir)
	if err != nil {
		return err
	}
	for _, b := range broken {
		r.options.Log.Warn().Str("checkpoint", b).Msg("checkpoint is damaged; an older one is used")
	}
	if found == "" {
		return fmt.Errorf("output_dir: %s has no whole checkpoint to resume; use --overwrite to start again", dir)
	}
	if s.Seed != r.config.Train.Seed {
		return fmt.Errorf("seed is %d, but the run in %s has %d", r.config.Train.Seed, dir, s.Seed)
	}
	r.resumeFrom, r.state = found, s
	return r.checkArithmetic()
}

// restore loads the state of the optimizer and the adapter from the checkpoint that the run resumes from.
func (r *run) restore() error {
	digest := r.digest()
	if r.resumeFrom == "" {
		r.state = TrainerState{Seed: r.config.Train.Seed, Digest: digest, Arithmetic: r.config.Train.arithmetic()}
		return nil
	}
	legacy, changed := r.legacyRun(r.state.Digest)
	switch {
	case r.state.Digest == digest:
	case legacy && changed != "":
		return fmt.Errorf("%s was made by an earlier version: %s", r.resumeFrom, changed)
	case legacy:
		r.options.Log.Warn().Msg("the checkpoint was made by an earlier version: the run continues, but not to the same bits")
		r.state.Digest = digest
	default:
		return fmt.Errorf("the recipe or the data have changed since %s was written; use --overwrite to start again", r.resumeFrom)
	}
	if now := kernel(r.config.Train.arithmetic()); r.state.Kernel != now {
		r.options.Log.Warn().Str("then", r.state.Kernel).Str("now", now).
			Msg("the checkpoint was made on another kernel: the run continues, but not to the same bits")
	}
	if err := r.trainer.AdamW.load(filepath.Join(r.resumeFrom, "optimizer.safetensors")); err != nil {
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

// digest identifies the course of the run: it covers the keys that decide it and the training rows.
func (r *run) digest() string {
	course, err := json.Marshal(r.config.courseKeys())
	if err != nil {
		return ""
	}
	return digestOf(course, r.rows)
}

// digestOf returns the SHA-256 of a run's keys and its rows, in hexadecimal.
func digestOf(course []byte, rows []tasks.Features) string {
	h := sha256.New()
	h.Write(course)
	for _, row := range rows {
		_ = binary.Write(h, binary.LittleEndian, row.IDs)
		_ = binary.Write(h, binary.LittleEndian, row.Labels)
		_ = binary.Write(h, binary.LittleEndian, row.FloatLabels)
		_ = binary.Write(h, binary.LittleEndian, row.TokenTypeIDs)
	}
	return hex.EncodeToString(h.Sum(nil))
}
