// Package finetune trains models: the loop, the order of the data, learning rate schedules, evaluation during
// training, checkpoints that resume to the same bits, and estimates of memory and time. What belongs here is what a run
// does from its config to its output folder. A method belongs to package adapter, an optimizer to package optim; running
// a model without training it belongs to package infer.
//
//	c := finetune.Default()
//	c.Model.Path, c.Task.Name, c.Task.Data = "smollm2", "math", data.Sources{{Path: "gsm8k/train.jsonl"}}
//	c.Method = finetune.MethodSpec{Name: "mora", Settings: map[string]any{"r": 8}}
//	c.Save.OutputDir = "run"
//	result, err := finetune.Run(ctx, c, finetune.Options{Log: log.Logger, Out: os.Stdout})
//	if err != nil {
//		return err
//	}
//	fmt.Println(result.Steps, result.Evaluations)
//
// # Overview
//
// A [Config] describes a run in parts. [ModelSpec], [TaskSpec], [MethodSpec] and [TrainSpec] decide its numbers;
// [EvalSpec], [SaveSpec] and [MemorySpec] do not. A [Recipe] is its YAML form, with the keys of Hugging Face's Trainer
// and of PEFT's adapter configs; [ParseRecipes] parses one. [Default] returns a config to start from.
//
// [Run] trains and returns a [Result], with an [Evaluation] for each time that the held-out data were evaluated.
// [Options] say how the run is carried out: where it logs, whom it tells its [Progress], whether it resumes. [DryRun]
// returns a [Plan] of the same run: steps, tokens, [Memory] and time. Every random number depends only on the seed, its
// purpose and the step, so a resumed run gives the same bits as one that was never interrupted. [ErrInterrupted] and
// [ErrDiverged] are the errors to tell apart.
//
// For a loop of your own, a [Trainer] takes one step after another with an [optim.Optimizer]. It calls the [Hooks] of an adapter.
// [Schedule] computes learning rates, and [Trainer.EstimateMemory] the memory of a step.
//
// [ReadCurve], [WriteTable] and [WriteSVG] compare the evaluations of runs. [TrainTokenizer] trains a tokenizer for a
// model that is trained from random weights.
package finetune
