package adapter

import (
	"fmt"
	"slices"

	"github.com/spagotune/spagotune/model"
)

var (
	_ TargetPreparer = (*MoRA)(nil)
	_ Noter          = (*MoRA)(nil)
)

// maxRotationShare: Auto chooses Rotation while r̂/min(in, out) is at most this. In the paper's layers of 4096×4096 that
// share is 1/16 at r 8, where the paper takes Rotation, and 0.35 at r 256, where it takes Sharing.
const maxRotationShare = 0.25

// PrepareTargets implements TargetPreparer: it chooses Rotation or Sharing for Auto, by the median share over the layers.
// Rotation keeps the ⌈in/r̂⌉ groups of inputs apart, which Sharing adds up. With fewer than about four groups there is
// little to keep apart (in the paper's Table 4, Rotation gains 1.7 points on GSM8K at r 8 and none at r 256), and Sharing
// is cheaper.
func (c *MoRA) PrepareTargets(targets []*model.Linear) (Method, error) {
	if c.Type != Auto {
		return c, nil
	}
	var shares []float64
	for _, l := range targets {
		r, _, err := c.lowRank().on(l.Path())
		if err != nil {
			return nil, err
		}
		out, in := l.Dims()
		shares = append(shares, float64(Sharing.rhat(in, out, r))/float64(min(in, out)))
	}
	slices.Sort(shares)
	own, share, relation := *c, shares[len(shares)/2], "at most"
	own.Type = Rotation
	if share > maxRotationShare {
		own.Type, relation = Sharing, "above"
	}
	own.reason = fmt.Sprintf("mora_type auto: %d (%s), since r̂ is %.2f of the smaller side of the layers (median), %s %.2f", int(own.Type), own.Type, share, relation, maxRotationShare)
	return &own, nil
}

// Note implements Noter: why Auto became Rotation or Sharing.
func (c *MoRA) Note() string { return c.reason }
