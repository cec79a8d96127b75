// Package evaluate scores models: it computes a task's loss, lets a model answer a task's examples, and keeps a log of the
// answers. It also predicts on single inputs. What belongs here is asking the model and scoring its answers. How a model runs
// belongs to package infer; what is asked and what counts as right belongs to package tasks.
//
//	s, err := infer.Open(ctx, "smollm2", "run")
//	if err != nil {
//		return err
//	}
//	all, err := evaluate.Tasks([]string{"gsm8k"}, []string{"gsm8k/test.jsonl"}, nil)
//	if err != nil {
//		return err
//	}
//	results, err := evaluate.All(ctx, s, all, evaluate.Options{Limit: 200})
//	for _, r := range results {
//		fmt.Println(r.Names, r.Metrics)
//	}
//
// # What a user meets
//
// [Tasks] makes the tasks of an evaluation by their names, each a [NamedTask], and [Task] makes a single one. [All] evaluates
// them, [Evaluate] does one of them; both return a [Result]: loss, score and metrics. [Options] limit the examples. [Score] is
// the part that asks and judges: it returns a [Prediction] for each example, that is what the model said, what the task's rule
// took from it, and the score.
//
// A [PredictionLog] keeps the answers of a [Run] in a file, and a run that was cut off goes on where its file ends.
//
// [Predict] has no reference to judge by: it lets a model answer an [Input], which [ReadInputs] reads from a file.
package evaluate
