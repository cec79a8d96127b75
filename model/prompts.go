package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/internal/suggest"
)

// promptsFile has sentence-transformers' settings of a model, among them its prompts.
const promptsFile = "config_sentence_transformers.json"

// sentencePrompts are texts that stand before those that become vectors, by name.
type sentencePrompts struct {
	Prompts map[string]string `json:"prompts"`
	Default *string           `json:"default_prompt_name"`
}

// readPrompts reads the prompts of a model for feature extraction; without the file there are none.
func (m *Model) readPrompts() error {
	raw, err := fs.ReadFile(m.Files(), promptsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	err = json.Unmarshal(raw, &m.prompts)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return wrongPrompts(wrong)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", promptsFile, err)
	}
	if d := m.prompts.Default; d != nil {
		if _, ok := m.prompts.Prompts[*d]; !ok {
			return fmt.Errorf("%s: default_prompt_name %q is not one of prompts", promptsFile, *d)
		}
	}
	return nil
}

// wrongPrompts says which key of the file has the wrong type, and what is wanted.
func wrongPrompts(wrong *json.UnmarshalTypeError) error {
	key, _, _ := strings.Cut(wrong.Field, ".")
	switch key {
	case "prompts":
		return fmt.Errorf("%s: prompts: got %s; want an object with a text for each name", promptsFile, wrong.Value)
	case "default_prompt_name":
		return fmt.Errorf("%s: default_prompt_name: got %s; want a string or null", promptsFile, wrong.Value)
	}
	return fmt.Errorf("%s: got %s; want an object", promptsFile, wrong.Value)
}

// Prompt is the text that stands before a text that becomes a vector, by its name in the folder's
// config_sentence_transformers.json. "" is the file's default_prompt_name, and without one no text.
func (m *Model) Prompt(name string) (string, error) {
	p := &m.prompts
	if name == "" && p.Default == nil {
		return "", nil
	}
	if name == "" {
		name = *p.Default
	}
	text, ok := p.Prompts[name]
	if !ok {
		names := slices.Sorted(maps.Keys(p.Prompts))
		if len(names) == 0 {
			return "", fmt.Errorf("model: no prompt %q: the model's folder has no prompts (%s)", name, promptsFile)
		}
		return "", fmt.Errorf("model: no prompt %q%s", name, suggest.Hint(name, names))
	}
	return text, nil
}
