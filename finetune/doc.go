// Package finetune trains models: the loop, the order of the data, AdamW, learning rate schedules, evaluation during
// training, checkpoints that resume to the same bits, and estimates of memory and time.
//
// A Config describes a run. A recipe, its YAML form, uses the names of Hugging Face's Trainer and of PEFT's adapter
// configs. Run loads the model and the data, attaches the adapter and trains. Every random number depends only on the
// seed, its purpose and the step, so a resumed run gives the same result as one that was never interrupted.
package finetune
