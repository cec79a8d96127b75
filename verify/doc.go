// Package verify compares a model with a reference: its logits, loss and gradients with those in a file that another
// program, such as transformers, has written. What belongs here is how such a file is read and how values are compared.
//
//	report, err := verify.Against(ctx, m, "", "reference.safetensors")
//	worst, n := report.Beyond(1e-3)
package verify
