package finetune

import (
	"maps"
	"slices"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/tasks"
)

// logNotes logs what a user should know of the data: fields that are not used, each once, what is odd, and turns of the assistant that
// end in no token at which generation stops. The notes are those of the training split and of the eval split.
func (r *run) logNotes(train, eval *tasks.Notes) error {
	reported := map[string]bool{}
	for _, notes := range []*tasks.Notes{train, eval} {
		if notes == nil {
			continue
		}
		for _, f := range notes.Unused {
			if !reported[f.Name] {
				r.options.Log.Warn().Str("field", f.Name).Str("first", f.Source).Msg("a field of the data is not used: what it says is not learned")
				reported[f.Name] = true
			}
		}
		for _, f := range notes.Remarks {
			if !reported[f.Text] {
				r.options.Log.Warn().Int("records", f.Records).Str("first", f.Source).Msg(f.Text)
				reported[f.Text] = true
			}
		}
	}
	if train == nil || len(train.Ends) == 0 {
		return nil
	}
	stop, err := infer.StopTokens(r.model, r.tok)
	if err != nil {
		return err
	}
	ends := slices.Sorted(maps.Keys(train.Ends))
	if slices.ContainsFunc(ends, func(id int32) bool { return slices.Contains(stop, id) }) {
		return nil
	}
	r.options.Log.Warn().Strs("ends", r.tokens(ends[:min(len(ends), 5)])).Strs("stop", r.tokens(stop)).
		Msg("no turn of the assistant ends in a token at which generation stops, so the model does not learn to stop: let the chat template end turns in one")
	return nil
}

// reportOverlap warns of what is evaluated and trained on, too. A task without data of its own, such as memory, may mean that.
func (r *run) reportOverlap() error {
	if _, ok := r.task.(tasks.DataChecker); !ok || len(r.evalRows) == 0 || r.config.Task.Streaming { // then batches compare
		return nil
	}
	if n, first := tasks.SameRows(r.rows, r.evalRows); n > 0 {
		r.options.Log.Warn().Int("rows", n).Int("of", len(r.evalRows)).Str("first", first).
			Msg("evaluation rows occur in the training data, word for word: their loss and score say little")
	}
	if _, ok := r.task.(tasks.Packer); !ok {
		return nil
	}
	o, err := tasks.TextOverlap(r.task)
	if err == nil && o.Shared > 0 {
		r.options.Log.Warn().Int("shared", o.Shared).Int("of", o.Compared).Str("first", o.Source).Str("text", wording.Clip([]byte(o.Text), 120)).
			Msgf("runs of %d words of the evaluation text occur in the training text", tasks.OverlapWords)
	}
	return err
}

// tokens are the texts of tokens.
func (r *run) tokens(ids []int32) []string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = r.tok.Decode([]int32{id}, false)
	}
	return texts
}
