package finetune

import (
	"fmt"
	"slices"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/internal/suggest"
	"github.com/spagotune/spagotune/tasks"
)

// otherNames says what to write in place of names that other programs have for a key, or that mean something here that has
// no key. docs/recipe.md lists them.
var otherNames = map[string]string{
	"lr":                         "write learning_rate",
	"epochs":                     "write num_train_epochs",
	"num_epochs":                 "write num_train_epochs",
	"steps":                      "write max_steps",
	"max_iters":                  "write max_steps",
	"iters":                      "write max_steps",
	"batch_size":                 "write per_device_train_batch_size, the rows of a step",
	"micro_batch_size":           "write per_device_train_batch_size; slice_tokens says how many tokens run at once",
	"train_batch_size":           "write per_device_train_batch_size",
	"per_device_eval_batch_size": "leave it out; evaluation takes as many rows at once as slice_tokens allows",
	"grad_accumulation_steps":    "write gradient_accumulation_steps",
	"scheduler":                  "write lr_scheduler_type",
	"lr_scheduler":               "write lr_scheduler_type",
	"warmup":                     "write warmup_steps or warmup_ratio",
	"warm_up":                    "write warmup_steps or warmup_ratio",
	"warmup_iters":               "write warmup_steps",
	"warmup_epochs":              "write warmup_ratio, the share of all steps",
	"grad_clip":                  "write max_grad_norm",
	"gradient_clipping":          "write max_grad_norm",
	"model_name_or_path":         "write model",
	"dataset":                    "write data, a path or a list of them",
	"datasets":                   "write data, a path or a list of them",
	"dataset_text_field":         "write columns: {text: COLUMN}",
	"field_messages":             "write columns: {messages: COLUMN}",
	"train_file":                 "write data",
	"validation_file":            "write eval_data",
	"eval_dataset":               "write eval_data",
	"val_set_size":               "write task_options: {eval_size: N}",
	"output":                     "write output_dir",
	"max_seq_length":             "write max_length, or for the task qa task_options: {max_seq_length: N}",
	"max_seq_len":                "write max_length",
	"sequence_len":               "write max_length",
	"cutoff_len":                 "write max_length",
	"packing":                    "write task_options: {pack: true}, for running text; rows of other tasks run without padding, so packing would save nothing",
	"sample_packing":             "write task_options: {pack: true}, for running text; rows of other tasks run without padding, so packing would save nothing",
	"group_by_length":            "leave it out; rows run without padding",
	"lora_r":                     "write r",
	"lora_rank":                  "write r",
	"rank":                       "write r",
	"alpha":                      "write lora_alpha",
	"dropout":                    "write lora_dropout",
	"lora_target_modules":        "write target_modules",
	"adapter_type":               "write method",
	"peft_type":                  "write method",
	"use_dora":                   "write method: dora",
	"load_in_4bit":               "leave it out; a quantized model is a GGUF file, which is named as model",
	"load_in_8bit":               "leave it out; a quantized model is a GGUF file, which is named as model",
	"optimizer":                  "write optim",
	"optimizer_type":             "write optim",
	"fp16":                       "leave it out, or write bf16; what trains is float32",
	"device":                     "leave it out; everything runs on the processor, --threads says on how many",
	"num_workers":                "leave it out; --threads says how many processors are used",
	"report_to":                  "leave it out; metrics.jsonl and curves.svg are in output_dir",
	"eval_strategy":              "write eval_steps; 0 evaluates only at the end",
	"evaluation_strategy":        "write eval_steps; 0 evaluates only at the end",
	"save_strategy":              "write save_steps; 0 saves only at the end",
	"resume_from_checkpoint":     "use --resume, which goes on from the last checkpoint in output_dir",
	"train_on_inputs":            "leave it out; the task says what is scored",
	"early_stopping":             "write early_stopping_patience; that of a beam search is task_options: {early_stopping: true}",
}

// unknownKey is the error about a key of a recipe that is not one of the known ones.
func unknownKey(key string, known []string) error {
	if advice, ok := otherNames[key]; ok {
		return fmt.Errorf("unknown key %q; %s", key, advice)
	}
	for _, name := range tasks.Names() {
		if slices.Contains(tasks.Options(name), key) {
			return fmt.Errorf("unknown key %q; it is an option of a task: write task_options: {%s: …}, or --set task_options.%s=…", key, key, key)
		}
	}
	return fmt.Errorf("unknown key %q%s", key, suggest.Hint(key, append(known, adapter.Keys()...)))
}
