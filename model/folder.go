package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"github.com/spagotune/spagotune/checkpoint/llamacpp"
	"github.com/spagotune/spagotune/internal/input"
	"github.com/spagotune/spagotune/internal/lfs"
)

// ReadConfig returns the config.json of a model's folder, with the head for feature extraction where modules.json has a pooling, or
// what a GGUF file has in its place. The error about a path that is
// something else says what it is and what to do.
func ReadConfig(path string) ([]byte, error) {
	config, gguf, err := readConfigFile(path)
	if gguf != nil {
		err = errors.Join(err, gguf.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("model: load %s: %w", path, err)
	}
	return config, nil
}

// readConfigFile reads the config.json of a model's folder, or opens a GGUF file and returns what it has in its place; gguf is
// nil for a folder. For a path that is something else, the error says what it is and what to do.
func readConfigFile(dir string) (config []byte, gguf *llamacpp.Model, err error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, nil, notAFolder(dir)
	case err != nil:
		return nil, nil, err
	case llamacpp.IsFile(dir):
		if gguf, err = llamacpp.Open(dir); errors.Is(err, llamacpp.ErrUnsupported) {
			err = notSupported("%w", err)
		}
		if err != nil {
			return nil, nil, err
		}
		return gguf.Config(), gguf, nil
	case !info.IsDir():
		return nil, nil, notAModelFile(dir)
	}
	if config, err = readConfigIn(dir); err == nil {
		config, err = sentenceConfig(input.DirFS(dir), config)
	}
	return config, nil, err
}

// notAModelFile says what is wrong with a file that is not GGUF.
func notAModelFile(path string) error {
	head := make([]byte, lfs.Size)
	if f, err := input.Open(path); err == nil {
		n, _ := io.ReadFull(f, head) // a shorter file is all there
		head = head[:n]
		_ = f.Close()
	}
	if err := lfs.Check(head); err != nil {
		return err
	}
	return errors.New("is a file; want the Hugging Face folder that contains it, or a GGUF file")
}

func readConfigIn(dir string) ([]byte, error) {
	config, err := input.ReadFile(filepath.Join(dir, "config.json"))
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
		return errors.New("no such folder; want a Hugging Face folder with config.json and model.safetensors, or a GGUF file")
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
	if raw, err := input.ReadFile(filepath.Join(dir, "adapter_config.json")); err == nil {
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
		return fmt.Errorf("has no config.json, but a GGUF file: to open that, name %s", file)
	}
	if match("modules.json") != "" && match("0_Transformer/config.json") != "" {
		return errors.New("has modules.json with the model's files in 0_Transformer, sentence-transformers' older layout, which is not supported; " +
			"move them beside modules.json, and set the Transformer's path there to \"\"")
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
