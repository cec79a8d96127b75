// Package inspect describes the folder of a model or an adapter: shapes, sizes, ranks, singular values. What belongs
// here only reads; nothing is changed.
//
//	i, err := inspect.Folder(ctx, "run", "smollm2")
//	if err != nil {
//		return err
//	}
//	for _, l := range i.Adapter.Layers {
//		fmt.Println(l.Name, l.Out, l.In, l.Parameters, l.SingularValues)
//	}
//
// # Overview
//
// [Folder] returns an [Inspection]. For a model it holds a [ModelInfo], with a [TensorGroup] for tensors that differ
// only in the number of their layer. For an adapter it holds an [AdapterInfo], with [AdaptedLayers] for the layers of
// one name and shape: how many parameters they have, and how many singular values of ΔW are above
// [SingularValueThreshold].
package inspect
