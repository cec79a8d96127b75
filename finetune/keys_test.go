package finetune

import (
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/tasks"
)

func TestUnknownKeys(t *testing.T) {
	for key, want := range map[string]string{
		"lr": "write learning_rate", "epochs": "write num_train_epochs", "batch_size": "write per_device_train_batch_size", "packing": "task_options: {pack: true}",
		"learning_rat": "did you mean learning_rate?", "lora_alhpa": "did you mean lora_alpha?", "eval_size": "--set task_options.eval_size=", "zzz": "known are",
	} {
		_, err := ParseRecipes([]byte(key+": 1\n"), nil)
		if err == nil || !strings.Contains(err.Error(), `unknown key "`+key+`"`) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", key, err, want)
		}
	}
}

// TestOtherNames: a name that has an answer of its own is no key, and the answer names a key that is one.
func TestOtherNames(t *testing.T) {
	r := Recipe{Config: Default()}
	known := append(adapter.Keys(), "compare")
	for k := range r.fields() {
		known = append(known, k)
	}
	for name, advice := range otherNames {
		if slices.Contains(known, name) {
			t.Errorf("%s is a key", name)
		}
		if key, ok := strings.CutPrefix(advice, "write "); ok {
			key = strings.FieldsFunc(key, func(r rune) bool { return strings.ContainsRune(" ,;:", r) })[0]
			if !slices.Contains(known, key) {
				t.Errorf("%s: %s is not a key", name, key)
			}
		}
		for _, task := range tasks.Names() {
			if slices.Contains(tasks.Options(task), name) && !strings.Contains(advice, "task_options") {
				t.Errorf("%s is an option of the task %s", name, task)
			}
		}
	}
}
