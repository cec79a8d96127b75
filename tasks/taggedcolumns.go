package tasks

import (
	"bufio"
	"errors"
	"fmt"
	"iter"

	"github.com/spagotune/spagotune/tasks/data"
)

// TaggedColumns are the options of a task whose records are words with a tag each. A task embeds them, beside Files in the
// format read.
type TaggedColumns struct {
	// WordsField and TagsField are the fields of a JSON record.
	WordsField string `json:"words_field"`
	TagsField  string `json:"tags_field"`
	// WordColumn and TagColumn are the columns of a CoNLL file, by number (from 1, or with a minus from the end) or by
	// name. The defaults are the first column and the last one; in a file named .conllu the words are the second.
	WordColumn data.Column `json:"word_column,omitempty"`
	TagColumn  data.Column `json:"tag_column,omitempty"`
}

func newTaggedColumns() TaggedColumns { return TaggedColumns{WordsField: "tokens", TagsField: "tags"} }

// read is the format of the files.
func (t *TaggedColumns) read(name string, r *bufio.Reader) iter.Seq2[data.Record, error] {
	return data.Columns{Word: t.WordColumn, Tag: t.TagColumn}.ReadTagged(name, r)
}

// Check returns an error if the name of a field is empty.
func (t *TaggedColumns) Check() error {
	if t.WordsField == "" || t.TagsField == "" {
		return errors.New("options words_field and tags_field name fields; they may not be empty")
	}
	return nil
}

// sentence returns the words of a record and their tags.
func (t *TaggedColumns) sentence(r data.Record) (words, tags []string, err error) {
	o, err := r.Object()
	if err != nil {
		return nil, nil, err
	}
	wordsField, tagsField := t.WordsField, t.TagsField
	if !o.Has(wordsField, tagsField) && o.Has("tokens", "tags") { // a sentence in CoNLL columns has those
		wordsField, tagsField = "tokens", "tags"
	}
	if words, err = o.List(wordsField); err != nil {
		return nil, nil, err
	}
	if tags, err = o.Labels(tagsField); err != nil {
		return nil, nil, err
	}
	if len(tags) != len(words) || len(words) == 0 {
		return nil, nil, fmt.Errorf("%d words and %d tags; want one or more words, with a tag each", len(words), len(tags))
	}
	return words, tags, nil
}
