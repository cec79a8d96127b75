package adapter

import (
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/spagotune/spagotune/model"
)

// The optional interfaces of a method, and those of a layer's adapter.
var (
	methodInterfaces = []reflect.Type{
		reflect.TypeFor[Validator](), reflect.TypeFor[TargetPreparer](), reflect.TypeFor[TableMethod](), reflect.TypeFor[ConfigTranslator](), reflect.TypeFor[TensorNameReader](), reflect.TypeFor[InputDropper](), reflect.TypeFor[LinearFilter](),
		reflect.TypeFor[PatternLister](), reflect.TypeFor[MethodNamer](), reflect.TypeFor[Noter](), reflect.TypeFor[SharedTensorStorer](), reflect.TypeFor[HookProvider](),
		reflect.TypeFor[ParameterTargeter](),
	}
	layerInterfaces = []reflect.Type{
		reflect.TypeFor[model.DeltaForwarder](), reflect.TypeFor[model.OutputTransformer](), reflect.TypeFor[model.OutputGradder](),
		reflect.TypeFor[model.BiasMerger](), reflect.TypeFor[model.BiasAdder](), reflect.TypeFor[model.ParamsObserver](),
		reflect.TypeFor[Ranker](), reflect.TypeFor[SpectrumFactorer](), reflect.TypeFor[LowRankFactorer](), reflect.TypeFor[TensorStorer](), reflect.TypeFor[AfterLoader](),
	}
)

// checkedLayers holds an error or nil by the type of a layer's adapter.
var checkedLayers sync.Map

// checkLayer is checkOptional for a layer's adapter.
func checkLayer(a model.Adapter) error {
	t := reflect.TypeOf(a)
	err, ok := checkedLayers.Load(t)
	if !ok {
		err, _ = checkedLayers.LoadOrStore(t, checkOptional(t, layerInterfaces))
	}
	if err == nil {
		return nil
	}
	return err.(error)
}

// checkOptional returns an error where a type has a method of an optional interface, by its name, and does not implement
// the interface: the method would never be called. Upper and lower case count as the same.
func checkOptional(t reflect.Type, interfaces []reflect.Type) error {
	for _, i := range interfaces {
		if t.Implements(i) {
			continue
		}
		var has, lacks []string
		for k := range i.NumMethod() {
			want := i.Method(k)
			wanted := signature(want.Name, want.Type, 0)
			got, ok := methodNamed(t, want.Name)
			if ok {
				has = append(has, got)
			}
			if got != wanted {
				lacks = append(lacks, wanted)
			}
		}
		if has != nil {
			return fmt.Errorf("%v has %s, but %v wants %s; the method would never be called", t, strings.Join(has, " and "), i, strings.Join(lacks, " and "))
		}
	}
	return nil
}

// methodNamed is the signature of a type's method.
func methodNamed(t reflect.Type, name string) (string, bool) {
	for k := range t.NumMethod() {
		if m := t.Method(k); strings.EqualFold(m.Name, name) {
			return signature(m.Name, m.Type, 1), true
		}
	}
	return "", false
}

// signature writes a method as Go does, without the first parameters.
func signature(name string, f reflect.Type, without int) string {
	var in, out []string
	for i := without; i < f.NumIn(); i++ {
		in = append(in, f.In(i).String())
	}
	for i := range f.NumOut() {
		out = append(out, f.Out(i).String())
	}
	s := name + "(" + strings.Join(in, ", ") + ")"
	switch len(out) {
	case 0:
		return s
	case 1:
		return s + " " + out[0]
	}
	return s + " (" + strings.Join(out, ", ") + ")"
}
