// Package evaluate scores models: it computes a task's loss, lets a model answer a task's examples, and keeps a log of
// the answers. It also predicts on single inputs. What belongs here is asking the model and scoring its answers. How a
// model runs belongs to package infer; what is asked and what counts as right belongs to package tasks.
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
// # Overview
//
// [Tasks] returns the tasks of an evaluation by their names, each a [NamedTask], and [Task] returns a single one. [All]
// evaluates several tasks, [Evaluate] a single one; both return a [Result] with loss, score and metrics. [Options]
// limit the examples. [Score] is the part that answers and scores. It returns a [Prediction] for each example: the
// model's answer, what the task extracts from it, and its score.
//
// A [PredictionLog] keeps the answers of a [Run] in a file. An interrupted run resumes where its file ends.
//
// [Predict] needs no reference: it returns the model's prediction for each [Input]. [ReadInputs] reads inputs from a
// file.
package evaluate
