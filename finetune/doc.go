// Package finetune trains models: the loop, the order of the data, AdamW, learning rate schedules, evaluation during
// training, checkpoints that resume to the same bits, and estimates of memory and time. What belongs here is what a run does
// from its config to its output folder. A method belongs to package adapter; running a model without training it belongs to
// package infer.
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
// # What a user meets
//
// A [Config] describes a run by its parts: [ModelSpec], [TaskSpec], [MethodSpec] and [TrainSpec], which decide its course, and
// [EvalSpec], [SaveSpec] and [MemorySpec], which do not. Its YAML form is a [Recipe], whose keys are those of Hugging Face's
// Trainer beside PEFT's of the adapter: [ParseRecipes] reads one. [Default] is a config to start from.
//
// [Run] trains and returns a [Result], with an [Evaluation] for each look at the held-out data. [Options] say how it is carried
// out: a log, a [Progress] after each step, whether to resume. [DryRun] makes a [Plan] of the same config: steps, tokens,
// [Memory] and time. Everything that is random depends on the seed, its purpose and the step alone, so a resumed run comes to
// the same bits as one that was never interrupted. [ErrInterrupted] and [ErrDiverged] are the errors to tell apart.
//
// Below that, a [Trainer] takes one step after the other with an [AdamW], for a loop of your own; [Hooks] are what it tells an
// adapter, and [Schedule] is a learning rate's course. [Estimate] says what a step holds.
//
// [ReadCurve], [WriteTable] and [WriteSVG] show what runs came to. [TrainTokenizer] makes a tokenizer for a model that is
// trained from random weights.
package finetune
