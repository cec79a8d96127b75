// Package verify compares a model with a reference: its logits, loss and gradients with those in a file that another
// program, such as transformers, has written. What belongs here is how such a file is read and how values are compared.
//
//	report, err := verify.Against(ctx, m, "", "reference.safetensors")
//	if err != nil {
//		return err
//	}
//	worst, n := report.Beyond(1e-3)
//	fmt.Println(n, "of", len(report), "are beyond the tolerance, the worst is", worst.Name)
//
// # Overview
//
// [Against] runs the file's inputs and returns a [Report]: a [Comparison] for each tensor in the file. [Report.Beyond]
// counts those that exceed a tolerance, and [Report.Worst] finds the worst of a kind. docs/tour.md shows how to write a
// reference with Python.
package verify
