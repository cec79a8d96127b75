// Package inspect describes the folder of a model or an adapter: shapes, sizes, ranks, singular values. What belongs here
// only reads; nothing is changed.
//
//	i, err := inspect.Folder(ctx, "run", "smollm2")
//	if err != nil {
//		return err
//	}
//	for _, l := range i.Adapter.Layers {
//		fmt.Println(l.Name, l.Out, l.In, l.Parameters, l.Singular)
//	}
//
// # What a user meets
//
// [Folder] returns an [Inspection]. Of a model it has a [ModelInfo], with a [TensorGroup] for the tensors that differ in their
// layer's number alone. Of an adapter it has an [AdapterInfo], with [AdaptedLayers] for the layers of one name and shape: how
// many parameters they have, and how many singular values of ΔW are above [SingularValueThreshold].
package inspect
