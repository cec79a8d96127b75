package adapter

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/model"
)

// PEFTDefault chooses the modules that PEFT 0.21 takes where its target_modules is not given. They depend on the model's type
// and on the method; for IA³ the feed-forward modules do, too. A model_type for which PEFT has none is an error.
var PEFTDefault = TargetModules{Expr: "peft-default"}

// peftTargets are PEFT's default modules by model_type, for LoRA and for all methods whose Registration has none.
var peftTargets = map[string]string{
	"t5": "q v", "mt5": "q v", "bart": "q_proj v_proj", "gpt2": "c_attn", "gpt_neox": "query_key_value",
	"bert": "query value", "roberta": "query value", "xlm-roberta": "query value", "electra": "query value", "deberta-v2": "query_proj value_proj",
	"llama": "q_proj v_proj", "mistral": "q_proj v_proj", "mixtral": "q_proj v_proj", "stablelm": "q_proj v_proj", "phi": "q_proj v_proj fc1 fc2",
	"gemma": "q_proj v_proj", "gemma2": "q_proj v_proj", "gemma3_text": "q_proj v_proj", "qwen2": "q_proj v_proj", "qwen3": "q_proj v_proj",
}

// takePEFTDefault puts PEFT's modules in the place of PEFTDefault, in the settings of a complete method. As in PEFT, a name
// need not be there in every model of a type.
func takePEFTDefault(m *model.Model, method Method) error {
	c := method.Settings()
	if c.TargetModules.Expr != PEFTDefault.Expr {
		return nil
	}
	var config struct {
		ModelType string `json:"model_type"`
	}
	if err := json.Unmarshal(m.ConfigJSON, &config); err != nil {
		return fmt.Errorf("config.json: %w", err)
	}
	r, err := registrationOf(method)
	if err != nil {
		return err
	}
	known := r.PEFTTargets
	if known == nil {
		known = peftTargets
	}
	names, ok := known[config.ModelType]
	if !ok {
		return ofKind(ErrNoMatch, fmt.Errorf("target_modules: for %s PEFT has no default with model_type %q, but with %s; leave it out for the default here, or name modules",
			MethodName(method), config.ModelType, wording.List(slices.Sorted(maps.Keys(known)), len(known), ", ")))
	}
	outputs, inputs, _ := strings.Cut(names, "|")
	if f, ok := fields(method)["feedforward_modules"]; ok {
		f.Set(reflect.ValueOf(Suffixes(strings.Fields(inputs)...)))
	}
	c.TargetModules = Suffixes(slices.DeleteFunc(strings.Fields(outputs+inputs), func(name string) bool {
		found := false
		m.Linears(func(l *model.Linear) { found = found || endsIn(l.Path(), name) })
		return !found
	})...)
	return nil
}
