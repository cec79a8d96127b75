package infer

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/checkpoint/llamacpp"
)

// BaseModel finds the model that the settings of an adapter's folder name: a folder of that name in the adapter's folder,
// beside it or here, "embedded", or a model of the Hugging Face Hub in its cache on this machine. A Hub's id is also
// looked for without the organisation.
func BaseModel(adapterDir string) (string, error) {
	method, err := adapter.ReadConfig(adapterDir)
	if err != nil {
		return "", err
	}
	name := method.Settings().BaseModel
	if name == "" {
		return "", fmt.Errorf("%s does not say which model it is for; name one with --model", adapterDir)
	}
	names := []string{name}
	if _, last, ok := strings.Cut(name, "/"); ok && strings.Count(name, "/") == 1 {
		names = append(names, last)
	}
	for _, n := range names {
		for _, d := range []string{filepath.Join(adapterDir, n), filepath.Join(filepath.Dir(adapterDir), n), n} {
			if hasConfig(d) {
				return d, nil
			}
		}
	}
	if name == Embedded {
		return name, nil
	}
	if d := cached(name); d != "" {
		return d, nil
	}
	return "", fmt.Errorf("%s is for the model %q, which is not a folder here; name its folder with --model", adapterDir, name)
}

// hasConfig says whether there is a model: a folder with a config.json, or a GGUF file.
func hasConfig(dir string) bool {
	if !llamacpp.IsFile(dir) {
		dir = filepath.Join(dir, "config.json")
	}
	_, err := os.Stat(dir)
	return err == nil
}

// cached is the snapshot of a model in the Hub's cache, "" where there is none.
func cached(id string) string {
	root := os.Getenv("HF_HUB_CACHE")
	if home := os.Getenv("HF_HOME"); root == "" && home != "" {
		root = filepath.Join(home, "hub")
	}
	if root == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		root = filepath.Join(home, ".cache", "huggingface", "hub")
	}
	folder := filepath.Join(root, "models--"+strings.ReplaceAll(id, "/", "--"))
	revision, err := os.ReadFile(filepath.Join(folder, "refs", "main"))
	if err != nil {
		return ""
	}
	if d := filepath.Join(folder, "snapshots", strings.TrimSpace(string(revision))); hasConfig(d) {
		return d
	}
	return ""
}
