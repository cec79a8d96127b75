package metric

import "fmt"

// Entity is a run of tokens and its type. Start is the index of the first token, and End the one after the last.
type Entity struct {
	Type       string
	Start, End int
}

// EntityScores are the scores of each type that occurs, and of all types together (micro average).
type EntityScores struct {
	Types map[string]PRF
	Micro PRF
}

// Entities scores the entities that tags mark. An entity is right if its type and both its ends are, as in conlleval
// (Tjong Kim Sang and De Meulder, Introduction to the CoNLL-2003 Shared Task, 2003) and by default in seqeval, which has
// the letters L, U and M in its strict mode only.
// predicted[i] and gold[i] are the tags of sentence i, see FindEntities.
func Entities(predicted, gold [][]string) (EntityScores, error) {
	s := EntityScores{Types: map[string]PRF{}}
	if err := samePairs(len(predicted), len(gold)); err != nil {
		return s, err
	}
	for i := range gold {
		if len(predicted[i]) != len(gold[i]) {
			return s, fmt.Errorf("metric: sentence %d has %d predicted tags and %d gold ones; want as many", i, len(predicted[i]), len(gold[i]))
		}
		if err := s.count(predicted[i], gold[i]); err != nil {
			return s, fmt.Errorf("metric: sentence %d: %w", i, err)
		}
	}
	for _, c := range s.Types {
		s.Micro = s.Micro.add(c)
	}
	return s, nil
}

// MacroF1 is the mean of the F1 of the types.
func (s EntityScores) MacroF1() float64 {
	sum := 0.0
	for _, c := range s.Types {
		sum += c.F1()
	}
	return sum / float64(max(len(s.Types), 1))
}

// count adds the entities of a sentence.
func (s EntityScores) count(predicted, gold []string) error {
	p, err := findEntities(predicted)
	if err != nil {
		return fmt.Errorf("predicted: %w", err)
	}
	g, err := findEntities(gold)
	if err != nil {
		return fmt.Errorf("gold: %w", err)
	}
	isGold := make(map[Entity]bool, len(g))
	for _, e := range g {
		isGold[e] = true
		s.Types[e.Type] = s.Types[e.Type].add(PRF{Gold: 1})
	}
	for _, e := range p {
		c := PRF{Predicted: 1}
		if isGold[e] {
			c.Correct = 1
		}
		s.Types[e.Type] = s.Types[e.Type].add(c)
	}
	return nil
}

// FindEntities returns the entities that the tags of a sentence mark, in order. A tag is "O", or a letter with a dash and
// a type ("B-PER"); a letter alone has the type "_". The letters of all schemes are understood: B begins an entity, I (in
// BMES M) continues one, E (in BILOU L) ends one, and S (in BILOU U) is one of a single token. An entity begins at B and
// S, after E and S, and where I or E follows O or another type. So IOB1, whose entities begin with I, is read correctly,
// and tags that a model puts together wrongly still mark entities.
func FindEntities(tags []string) ([]Entity, error) {
	found, err := findEntities(tags)
	if err != nil {
		return nil, fmt.Errorf("metric: %w", err)
	}
	return found, nil
}

func findEntities(tags []string) ([]Entity, error) {
	var found []Entity
	open, prev := false, byte('O')
	for i, tag := range tags {
		letter, typ, err := splitTag(tag)
		if err != nil {
			return nil, fmt.Errorf("tag %d: %w", i, err)
		}
		continues := open && (letter == 'I' || letter == 'E') && (prev == 'B' || prev == 'I') && found[len(found)-1].Type == typ
		switch {
		case letter == 'O':
			open = false
		case continues:
			found[len(found)-1].End = i + 1
		default:
			found, open = append(found, Entity{Type: typ, Start: i, End: i + 1}), true
		}
		prev = letter
	}
	return found, nil
}

// letters maps the letters of all schemes to those of IOBES.
var letters = map[byte]byte{'B': 'B', 'I': 'I', 'M': 'I', 'E': 'E', 'L': 'E', 'S': 'S', 'U': 'S'}

// splitTag splits "B-PER" into B and PER. The letter is one of IOBES.
func splitTag(tag string) (letter byte, typ string, err error) {
	if tag == "O" {
		return 'O', "", nil
	}
	if tag != "" {
		letter = letters[tag[0]]
	}
	if letter == 0 || (len(tag) > 1 && tag[1] != '-') {
		return 0, "", fmt.Errorf("%q is not a tag; want O, or B-, I-, E- or S- and a type", tag)
	}
	if len(tag) < 3 {
		return letter, "_", nil
	}
	return letter, tag[2:], nil
}
