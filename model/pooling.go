package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spagotune/spagotune/head"
)

// poolingFile is where sentence-transformers says how a model's vectors are made.
const poolingFile = "1_Pooling/config.json"

// readPooling reads how a folder's embedding model pools: the mean over the tokens, which it is without such a file, or the
// first token.
func (m *Model) readPooling() error {
	raw, err := os.ReadFile(filepath.Join(m.Dir, filepath.FromSlash(poolingFile)))
	if errors.Is(err, os.ErrNotExist) || m.Head().Kind != head.FeatureExtraction {
		return nil
	}
	if err != nil {
		return err
	}
	var modes map[string]any
	if err := json.Unmarshal(raw, &modes); err != nil {
		return fmt.Errorf("%s: %w", poolingFile, err)
	}
	on := func(mode string) bool { v, _ := modes["pooling_mode_"+mode].(bool); return v }
	mean, first := on("mean_tokens"), on("cls_token")
	for _, other := range []string{"max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"} {
		if on(other) {
			return fmt.Errorf("%s: pooling_mode_%s is not supported; supported are mean_tokens, cls_token", poolingFile, other)
		}
	}
	if mean == first {
		return fmt.Errorf("%s: want one of pooling_mode_mean_tokens and pooling_mode_cls_token", poolingFile)
	}
	m.Head().Mean = mean
	return nil
}
