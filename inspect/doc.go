// Package inspect says what is in a model's or an adapter's folder: shapes, sizes, ranks, singular values. What belongs here is
// looking; nothing is changed.
//
//	i, err := inspect.Folder(ctx, "run", "smollm2")
package inspect
