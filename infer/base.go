package infer

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/checkpoint/llamacpp"
	"github.com/spagotune/spagotune/hub"
)

// BaseModel finds the model that the settings of an adapter's folder name: "embedded", a folder of that name in the adapter's
// folder, beside it or here, or a model of the Hugging Face Hub in its cache on this machine. Folders are also looked for by
// the last part of the name, which may be a Hub's id or a path of another machine. No network is used.
func BaseModel(adapterDir string) (string, error) {
	method, err := adapter.ReadConfig(adapterDir)
	if err != nil {
		return "", err
	}
	name := method.Settings().BaseModel
	if name == "" {
		return "", fmt.Errorf("%s does not say which model it is for; name one with --model", adapterDir)
	}
	if name == Embedded {
		return name, nil
	}
	adapterDir = filepath.Clean(adapterDir)
	for _, n := range []string{name, filepath.Base(name)} {
		for _, d := range []string{filepath.Join(adapterDir, n), filepath.Join(filepath.Dir(adapterDir), n), n} {
			if hasConfig(d) {
				return d, nil
			}
		}
	}
	if d := new(hub.Client).CachedDir(name); d != "" && hasConfig(d) {
		return d, nil
	}
	return "", fmt.Errorf("%s is for the model %s, which is not here, beside the adapter or in the Hub's cache; name its folder with --model", adapterDir, name)
}

// hasConfig says whether there is a model: a folder with a config.json, or a GGUF file.
func hasConfig(dir string) bool {
	if !llamacpp.IsFile(dir) {
		dir = filepath.Join(dir, "config.json")
	}
	_, err := os.Stat(dir)
	return err == nil
}
