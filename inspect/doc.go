// Package inspect describes the folder of a model or an adapter: shapes, sizes, ranks, singular values. What belongs here
// only reads; nothing is changed.
//
//	i, err := inspect.Folder(ctx, "run", "smollm2")
package inspect
