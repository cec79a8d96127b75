package checkpoint

import (
	"errors"
	"fmt"
	"strings"
)

// storageType is a class such as torch.FloatStorage: the element type of a storage.
type storageType DType

// torchStorages are the storage classes of torch and torch.cuda.
var torchStorages = map[string]DType{
	"DoubleStorage": DTypeF64, "FloatStorage": DTypeF32, "HalfStorage": DTypeF16, "BFloat16Storage": DTypeBF16,
	"LongStorage": DTypeI64, "IntStorage": DTypeI32, "ShortStorage": DTypeI16, "CharStorage": DTypeI8,
	"ByteStorage": DTypeU8, "BoolStorage": DTypeBool, "ComplexFloatStorage": "C64", "UntypedStorage": DTypeU8,
}

// torchTypes are the values of torch.dtype, which _rebuild_tensor_v3 is given.
var torchTypes = map[string]DType{
	"float64": DTypeF64, "float32": DTypeF32, "float16": DTypeF16, "bfloat16": DTypeBF16,
	"int64": DTypeI64, "int32": DTypeI32, "int16": DTypeI16, "int8": DTypeI8,
	"uint64": DTypeU64, "uint32": DTypeU32, "uint16": DTypeU16, "uint8": DTypeU8, "bool": DTypeBool, "complex64": "C64",
	"float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2", "float8_e8m0fnu": "F8_E8M0",
	"float8_e4m3fnuz": "F8_E4M3FNUZ", "float8_e5m2fnuz": "F8_E5M2FNUZ",
}

// torchGlobals returns the meaning of the globals that a state dict needs. Any other global is an error that names it.
// OrderedDict copies a list of pairs; in all, it copies at most as many pairs as the pickle has bytes.
func torchGlobals(pickleSize int) func(name string) (any, error) {
	functions := map[string]callable{
		"collections.OrderedDict":                    orderedDict(pickleSize),
		"torch._utils._rebuild_tensor":               rebuildTensor,
		"torch._utils._rebuild_tensor_v2":            rebuildTensor,
		"torch._utils._rebuild_tensor_v3":            rebuildTensorV3,
		"torch._utils._rebuild_parameter":            rebuildParameter,
		"torch._utils._rebuild_parameter_with_state": rebuildParameter,
		"torch.Size":   first,
		"torch.device": func(tuple) (any, error) { return nil, nil },
		// Bytes in protocol 2: a text and an encoding. Tensors do not need them.
		"_codecs.encode": first,
	}
	return func(name string) (any, error) {
		if f, ok := functions[name]; ok {
			return f, nil
		}
		short := name[strings.LastIndexByte(name, '.')+1:]
		if d, ok := torchStorages[short]; ok {
			switch strings.TrimSuffix(name, "."+short) {
			case "torch", "torch.cuda", "torch.storage":
				return storageType(d), nil
			}
		}
		if d, ok := torchTypes[short]; ok && name == "torch."+short {
			return d, nil
		}
		return nil, fmt.Errorf("the pickle asks for %s, which a state dict does not need: refused, because a pickle can run any program. "+
			"Save model.state_dict(), best as safetensors", quoted(name))
	}
}

func first(args tuple) (any, error) {
	if len(args) == 0 {
		return nil, errors.New("a call without arguments")
	}
	return args[0], nil
}

// orderedDict is OrderedDict() or OrderedDict(pairs), which Python 2 wrote.
func orderedDict(budget int) callable {
	return func(args tuple) (any, error) {
		d := &dict{}
		if len(args) == 0 {
			return d, nil
		}
		l, ok := args[0].(*list)
		if !ok {
			return nil, fmt.Errorf("an OrderedDict of %s; want a list of pairs", kind(args[0]))
		}
		if budget -= len(l.items); budget < 0 {
			return nil, errors.New("more items in OrderedDicts than the pickle has bytes")
		}
		for _, item := range l.items {
			pair, ok := item.(tuple)
			if inner, isList := item.(*list); isList {
				pair, ok = inner.items, true
			}
			if !ok || len(pair) != 2 {
				return nil, fmt.Errorf("an OrderedDict with %s; want a pair", kind(item))
			}
			if _, ok := pair[0].(string); !ok {
				return nil, fmt.Errorf("%s as the key of an OrderedDict; want a string", kind(pair[0]))
			}
			d.keys, d.values = append(d.keys, pair[0]), append(d.values, pair[1])
		}
		return d, nil
	}
}

// rebuildTensor takes (storage, offset, size, stride, …). The other arguments concern gradients.
func rebuildTensor(args tuple) (any, error) {
	if len(args) < 4 {
		return nil, fmt.Errorf("a tensor of %d arguments; want 4 or more", len(args))
	}
	s, ok := args[0].(*torchStorage)
	if !ok {
		return nil, fmt.Errorf("a tensor over %s; want a storage", kind(args[0]))
	}
	offset, ok1 := args[1].(int64)
	shape, ok2 := args[2].(tuple)
	stride, ok3 := args[3].(tuple)
	if !ok1 || !ok2 || !ok3 {
		return nil, fmt.Errorf("a tensor with %s as offset, %s as size, %s as stride", kind(args[1]), kind(args[2]), kind(args[3]))
	}
	return &torchTensor{storage: s, dtype: s.dtype, offset: offset, shape: shape, stride: stride}, nil
}

// rebuildTensorV3 takes (storage, offset, size, stride, requires_grad, hooks, dtype, …). PyTorch uses it for element
// types that have no storage class.
func rebuildTensorV3(args tuple) (any, error) {
	if len(args) < 7 {
		return nil, fmt.Errorf("a tensor of %d arguments; want 7 or more", len(args))
	}
	d, ok := args[6].(DType)
	if !ok {
		return nil, fmt.Errorf("a tensor with %s as element type", kind(args[6]))
	}
	v, err := rebuildTensor(args)
	if err != nil {
		return nil, err
	}
	t := v.(*torchTensor)
	t.dtype = d
	return t, nil
}

// rebuildParameter takes (tensor, requires_grad, hooks, …).
func rebuildParameter(args tuple) (any, error) {
	v, err := first(args)
	if err != nil {
		return nil, err
	}
	if _, ok := v.(*torchTensor); !ok {
		return nil, fmt.Errorf("a parameter of %s; want a tensor", kind(v))
	}
	return v, nil
}
