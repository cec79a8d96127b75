package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/infer"
)

// baseOf is the model that an adapter's config names: a folder in the adapter's own (random weights), any other, one beside the
// adapter, or one in the Hub's cache.
func baseOf(adapterDir string) (string, error) {
	m, err := adapter.ReadConfig(adapterDir)
	if err != nil {
		return "", err
	}
	name := m.Settings().BaseModel
	if name == "" {
		return "", fmt.Errorf("%s does not name its model (base_model_name_or_path); name it with --model", adapterDir)
	}
	if name == infer.Embedded {
		return name, nil
	}
	beside := filepath.Dir(filepath.Clean(adapterDir))
	for _, dir := range []string{filepath.Join(adapterDir, name), name, filepath.Join(beside, name), filepath.Join(beside, filepath.Base(name)), cached(name)} {
		if _, err := os.Stat(filepath.Join(dir, "config.json")); dir != "" && err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("%s is for the model %s, which is not there, beside the adapter or in the Hub's cache; name its folder with --model", adapterDir, name)
}

// cached is the snapshot of a model in the Hub's cache, the one of its branch main; "" if there is none.
func cached(name string) string {
	if strings.Count(name, "/") > 1 || filepath.IsAbs(name) {
		return ""
	}
	home, _ := os.UserHomeDir()
	hub := cmp.Or(os.Getenv("HF_HUB_CACHE"), filepath.Join(cmp.Or(os.Getenv("HF_HOME"), filepath.Join(home, ".cache", "huggingface")), "hub"))
	dir := filepath.Join(hub, "models--"+strings.ReplaceAll(name, "/", "--"))
	commit, err := os.ReadFile(filepath.Join(dir, "refs", "main"))
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "snapshots", strings.TrimSpace(string(commit)))
}

// needsModel is an error unless a model, or an adapter that names one, is given.
func needsModel(model, adapterDir string) error {
	if model == "" && adapterDir == "" {
		return errors.New("missing flags: --model=DIR")
	}
	return nil
}
