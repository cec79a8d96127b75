package adapter

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

// AttachLowRank puts a plain LoRA with the given matrices on a model under a name. Its alpha is its rank on every layer. like has
// the settings that it shares with the adapter that the matrices are from: the base's name and the task.
func AttachLowRank(ctx context.Context, m *model.Model, name string, layers []LowRank, like *Common) (*Adapter, error) {
	usual := usualRank(layers)
	method := &LoRA{R: usual, Alpha: float64(usual)}
	method.BaseModel, method.TaskType = like.BaseModel, like.TaskType
	var paths []string
	for _, l := range layers {
		paths = append(paths, l.Path)
	}
	method.TargetModules.List = shortPaths(m, paths)
	for _, l := range layers {
		if r := l.A.Rows; r != usual {
			key := regexp.QuoteMeta(l.Path)
			method.RankPattern = append(method.RankPattern, PatternEntry[int]{Key: key, Value: r})
			method.AlphaPattern = append(method.AlphaPattern, PatternEntry[float64]{Key: key, Value: float64(r)})
		}
	}
	plain, err := Attach(ctx, m, name, method, 0)
	if err != nil {
		return nil, err
	}
	for i, l := range plain.Layers() {
		if l.Path() != layers[i].Path {
			return nil, fmt.Errorf("layer %s is where %s was", l.Path(), layers[i].Path)
		}
		for _, p := range l.Adapter.Params() {
			from := layers[i].A
			if strings.HasPrefix(p.Name, "lora_B") {
				from = layers[i].B
			}
			copy(op.Data(p.Param).Data, from.Data)
		}
	}
	plain.ParamsChanged()
	return plain, nil
}

// usualRank is the rank that most layers have, the smaller of equals.
func usualRank(layers []LowRank) int {
	count := map[int]int{}
	for _, l := range layers {
		count[l.A.Rows]++
	}
	best := 0
	for r, n := range count {
		if best == 0 || cmp.Or(cmp.Compare(n, count[best]), cmp.Compare(best, r)) > 0 {
			best = r
		}
	}
	return best
}

// shortPaths are the last names of the layers with the paths where they mean no others, else the paths.
func shortPaths(m *model.Model, paths []string) []string {
	adapted, names := map[string]bool{}, map[string]bool{}
	for _, p := range paths {
		_, last, _ := cutLast(p)
		adapted[p], names[last] = true, true
	}
	unique := true
	m.Linears(func(l *model.Linear) {
		_, last, _ := cutLast(l.Path())
		unique = unique && (adapted[l.Path()] || !names[last])
	})
	if !unique {
		return paths
	}
	return slices.Sorted(maps.Keys(names))
}
