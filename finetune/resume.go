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

	"github.com/spagotune/spagotune/internal/cpu"
	"github.com/spagotune/spagotune/tasks"
)

// findCheckpoint decides what happens with an existing output folder.
func (r *run) findCheckpoint() error {
	dir := r.c.Save.OutputDir
	if dir == "" {
		return errors.New("output_dir is empty; name a folder for the run")
	}
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, os.ErrNotExist), err == nil && len(entries) == 0:
		if r.o.Resume {
			r.o.Log.Info().Str("output_dir", dir).Msg("nothing to resume; starting from the beginning")
		}
		return nil
	case err != nil:
		return fmt.Errorf("output_dir: %w", err)
	case r.o.Overwrite:
		return nil
	case !r.o.Resume:
		return fmt.Errorf("output_dir: %s is not empty; use --resume to continue that run or --overwrite to replace it", dir)
	}
	found, s, broken, err := latestCheckpoint(dir)
	if err != nil {
		return err
	}
	for _, b := range broken {
		r.o.Log.Warn().Str("checkpoint", b).Msg("checkpoint is not whole; an older one is used")
	}
	if found == "" {
		return fmt.Errorf("output_dir: %s holds no whole checkpoint to resume; use --overwrite to start again", dir)
	}
	if s.Seed != r.c.Train.Seed {
		return fmt.Errorf("seed is %d, that of the run in %s was %d", r.c.Train.Seed, dir, s.Seed)
	}
	r.resumeFrom, r.state = found, s
	return nil
}

// restore puts the checkpoint's adapter and optimizer in place.
func (r *run) restore() error {
	digest := r.digest()
	if r.resumeFrom == "" {
		r.state = TrainerState{Seed: r.c.Train.Seed, Digest: digest}
		return nil
	}
	switch r.state.Digest {
	case digest:
	case r.legacyDigest():
		r.o.Log.Warn().Msg("the checkpoint was made by an earlier version: the run continues, but not to the same bits")
		r.state.Digest = digest
	default:
		return fmt.Errorf("the recipe or the data changed since %s was written; use --overwrite to start again", r.resumeFrom)
	}
	if r.state.Kernel != cpu.Used.String() {
		r.o.Log.Warn().Str("then", r.state.Kernel).Str("now", cpu.Used.String()).
			Msg("the checkpoint was made on another kernel: the run continues, but not to the same bits")
	}
	if err := r.t.AdamW.load(filepath.Join(r.resumeFrom, "optimizer.safetensors")); err != nil {
		return err
	}
	if r.a != nil {
		if err := r.a.LoadState(r.resumeFrom); err != nil {
			return err
		}
	}
	r.o.Log.Info().Str("checkpoint", r.resumeFrom).Int("step", r.state.Step).Msg("resumed")
	return nil
}

// digest is of all that decides the course of the run.
func (r *run) digest() string {
	course, err := json.Marshal(r.c.courseKeys())
	if err != nil {
		return ""
	}
	return digestOf(course, r.rows)
}

// digestOf is of a run's keys and its rows.
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
