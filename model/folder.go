package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/spagotune/spagotune/internal/lfs"
)

// readConfigFile reads the config.json of a model's folder. For a path that is something else, the error says what it is and
// what to do.
func readConfigFile(dir string) ([]byte, error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, notAFolder(dir)
	case err != nil:
		return nil, err
	case isGGUF(dir):
		return nil, openGGUF(dir)
	case !info.IsDir():
		return nil, errors.New("is a file; want the Hugging Face folder that contains it")
	}
	config, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, notAModel(dir)
	}
	if err == nil {
		err = lfs.Check(config)
	}
	if err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	return config, nil
}

// hubName matches names of the Hugging Face Hub, with or without a revision.
var hubName = regexp.MustCompile(`^[\w-][\w.-]*/[\w-][\w.-]*(@[\w./-]+)?$`)

// notAFolder says what a path that does not exist may be.
func notAFolder(name string) error {
	if !hubName.MatchString(name) {
		return errors.New("no such folder; want a Hugging Face folder with config.json and model.safetensors")
	}
	return fmt.Errorf("no such folder; if it is a name on the Hugging Face Hub, \"finetune hub download %s\" brings the model and prints its folder", name)
}

// notAModel says what a folder without config.json is.
func notAModel(dir string) error {
	match := func(pattern string) string {
		found, _ := filepath.Glob(filepath.Join(dir, pattern)) // the pattern is right, and dir may only match too little
		if len(found) == 0 {
			return ""
		}
		return found[0]
	}
	if raw, err := os.ReadFile(filepath.Join(dir, "adapter_config.json")); err == nil {
		var c struct {
			Base string `json:"base_model_name_or_path"`
		}
		_ = json.Unmarshal(raw, &c) // the name of the base is a help, no more
		if c.Base != "" {
			c.Base = " (" + c.Base + ")"
		}
		return fmt.Errorf("is the folder of an adapter, not of a model: name its base model%s as the model, and this folder as the adapter; "+
			"or merge the two", c.Base)
	}
	if file := match("*.gguf"); file != "" {
		return openGGUF(file)
	}
	if snapshot := match("snapshots/*/config.json"); snapshot != "" {
		return fmt.Errorf("is a repository in the Hub's cache; the model is in %s", filepath.Dir(snapshot))
	}
	if match("params.json") != "" {
		return errors.New("has params.json, the format in which Meta and Mistral publish weights, and no config.json; " +
			"want the same model in Hugging Face's format")
	}
	return errors.New("has no config.json; want a Hugging Face folder with config.json and model.safetensors")
}

// isGGUF reports whether a path is a GGUF file.
func isGGUF(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	magic := make([]byte, 4)
	n, _ := f.Read(magic)
	return string(magic[:n]) == "GGUF"
}

// openGGUF refuses a GGUF file.
func openGGUF(path string) error {
	return notSupported("%s is a GGUF file, which holds a model for llama.cpp, most often quantised; "+
		"want the Hugging Face folder of the model that it was made from", filepath.Base(path))
}
