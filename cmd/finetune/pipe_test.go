//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestPipesAreRefused checks that pipes that nobody writes into are errors, wherever a file is named.
func TestPipesAreRefused(t *testing.T) {
	model, dir := byteModel(t), t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	broken := func(file string) string {
		to := filepath.Join(t.TempDir(), "model")
		if err := os.CopyFS(to, os.DirFS(model)); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Remove(filepath.Join(to, file)), os.Symlink(pipe, filepath.Join(to, file))); err != nil {
			t.Fatal(err)
		}
		return to
	}
	for what, args := range map[string]string{
		"recipe":    "train " + pipe,
		"data":      "train --dry-run --model " + model + " --task text --data " + pipe,
		"config":    "generate --prompt x --model " + broken("config.json"),
		"tokenizer": "generate --prompt x --model " + broken("tokenizer.json"),
	} {
		if code, _, stderr := finetuneCmd(t, strings.Fields(args)...); code != 1 || !strings.Contains(stderr, "is a pipe; want a file") {
			t.Errorf("%s: exit code %d, %s", what, code, stderr)
		}
	}
}
