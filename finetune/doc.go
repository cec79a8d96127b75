// Package finetune is the training loop and what surrounds it: data order, AdamW, schedules, evaluation, checkpoints
// that continue to the same bits, and reports.
//
// A run is a Config (a recipe's keys: Hugging Face Trainer's names beside the adapter's PEFT keys). Run reads the model
// and the data, attaches the adapter and trains; the method is data, the loop is one. Everything that is random depends
// on (seed, purpose, step) alone, so a resumed run is the run that was interrupted.
package finetune
