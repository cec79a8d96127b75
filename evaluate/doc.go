// Package evaluate scores models: it computes a task's loss, lets a model answer a task's examples, and keeps a log of the
// answers. It also predicts on single inputs. What belongs here is asking the model and scoring its answers. How a model runs
// belongs to package infer; what is asked and what counts as right belongs to package tasks.
//
//	s, err := infer.Open(ctx, "smollm2", "run")
//	tasks, err := evaluate.Tasks([]string{"gsm8k"}, []string{"gsm8k/test.jsonl"}, nil)
//	results, err := evaluate.All(ctx, s, tasks, evaluate.Options{Limit: 200})
package evaluate
