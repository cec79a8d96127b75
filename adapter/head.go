package adapter

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/input"
	"github.com/spagotune/spagotune/model"
)

// SetupFile is the file beside an adapter that says with which head and numerics its model was opened. Training writes it;
// PEFT ignores it.
const SetupFile = "host.json"

// checkHead refuses an adapter that was trained with another head, other labels or other numerics than the model has: its
// answers would have the wrong names.
func checkHead(m *model.Model, dir string) error {
	raw, err := input.ReadFile(filepath.Join(dir, SetupFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var trained struct {
		head.Config
		Numerics string `json:"numerics"`
	}
	if err == nil {
		err = json.Unmarshal(raw, &trained)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", SetupFile, err)
	}
	has := m.Head().Config
	if t, h := cmp.Or(trained.Numerics, model.HuggingFace), cmp.Or(m.Options.Numerics, model.HuggingFace); t != h {
		return otherHead("numerics %s, and the model has %s", t, h)
	}
	switch {
	case trained.Kind == "":
		return nil
	case trained.Kind != has.Kind:
		return otherHead("a head for %s, and the model's is for %s", trained.Kind, has.Kind)
	case trained.Kind != head.SequenceClassification && trained.Kind != head.TokenClassification:
		return nil
	case !slices.Equal(trained.Labels, has.Labels):
		return otherHead("the labels %s, and the model has %s", strings.Join(trained.Labels, ", "), strings.Join(has.Labels, ", "))
	case trained.Kind == head.SequenceClassification && trained.Problem() != has.Problem():
		return otherHead("problem_type %s, and the model has %s", trained.Problem(), has.Problem())
	}
	return nil
}

func otherHead(format string, args ...any) error {
	return ofKind(ErrOtherHead, fmt.Errorf("the adapter was trained with "+format+": load it on a model of its own, which may share the weights "+
		"(pipeline.Open, infer.Session.With)", args...))
}
