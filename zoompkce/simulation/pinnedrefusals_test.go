package simulation

import "testing"

// Plans that broke an invariant because Zoom's refusal of an access token before its
// time was taken for its word that a later sign-in has replaced the grant.
func TestPinnedRefusals(t *testing.T) {
	for name, p := range map[string]*plan{
		"a token is refused before the sign-in asks which of two is the later": {seed: 239, climate: climate{generated: false, skewed: false, life: 60000000000, sync: 60000000000, users: 0, programs: false, store: trouble{tail: 0, longest: 300000000, fails: 0, drops: 0, conflict: 0.0648619833478144}, zoom: trouble{tail: 0, longest: 1000000000, fails: 0, drops: 0, conflict: 0.17534698962714274}}, steps: []step{
			{61, 25106019, signIn, [3]uint32{643596696, 943325139, 1882223067}, true},
			{70, 17340660, finish, [3]uint32{668718099, 200684810, 1498389773}, true},
			{71, 47906976093, replay, [3]uint32{1422862420, 573369490, 2983781176}, true},
			{75, 117911921, signIn, [3]uint32{4048980092, 214505741, 3295082603}, true},
			{76, 8341547, finish, [3]uint32{1422827366, 2468275348, 1101942847}, true},
			{78, 37423233, request, [3]uint32{4279277451, 399870655, 2313677831}, false},
			{79, 19812986, tokenDies, [3]uint32{2530101960, 412856253, 1745371291}, true},
		}},
		"a token is refused before the sign-in asks whose it is": {seed: 54, climate: climate{generated: false, skewed: false, life: 180000000000, sync: 10000000000, users: 2, programs: false, store: trouble{tail: 0.10573176194267533, longest: 4000000000, fails: 0, drops: 0, conflict: 0}, zoom: trouble{tail: 0.16918366825333975, longest: 1000000000, fails: 0, drops: 0, conflict: 0}}, steps: []step{
			{6, 99812216411, signIn, [3]uint32{3564787737, 1232223299, 2319688313}, true},
			{9, 319836988, signIn, [3]uint32{2318016448, 3943388379, 1795793555}, true},
			{11, 1034989, signIn, [3]uint32{3316318947, 4166190806, 2641532824}, true},
			{18, 2814665, signIn, [3]uint32{61784736, 3962609519, 4124962152}, true},
			{22, 38699013, finish, [3]uint32{1252226938, 315710848, 2698788950}, true},
			{27, 4471856, signIn, [3]uint32{3024885517, 3881662000, 3189785460}, true},
			{31, 1131149065, finish, [3]uint32{1137482299, 584861993, 1063228188}, true},
			{35, 106455404, finish, [3]uint32{2475371689, 3871180885, 2296951046}, true},
			{37, 3478592, finish, [3]uint32{900146145, 1544887949, 2138024497}, false},
			{38, 14255608, request, [3]uint32{867695036, 1893556832, 966694067}, true},
			{39, 3025334, tokenDies, [3]uint32{463086744, 3250379457, 3552028924}, true},
			{42, 207529039, request, [3]uint32{3223931656, 1196464029, 2100148772}, true},
		}},
		"unsaved tokens are refused, where clocks differ": {seed: 3948, climate: climate{generated: true, skewed: true, life: 60000000000, sync: 2000000000, users: 2, programs: false, store: trouble{tail: 0, longest: 0, fails: 0, drops: 0, conflict: 0}, zoom: trouble{tail: 0, longest: 0, fails: 0, drops: 0, conflict: 0.11001907223310262}}, steps: []step{
			{3, 3404587, signIn, [3]uint32{1590620488, 150203683, 9487916}, true},
			{6, 55268998392, reload, [3]uint32{538212313, 167081195, 1620596646}, true},
			{8, 28363197, signIn, [3]uint32{4026980211, 4114424060, 2110383210}, true},
			{45, 15159666, signIn, [3]uint32{2392598765, 1913101520, 4116298647}, true},
			{47, 15223361, finish, [3]uint32{2891360017, 3744710853, 4028838128}, false},
			{51, 77896128, request, [3]uint32{3581934725, 3709294428, 1308005418}, true},
			{52, 18513030, request, [3]uint32{1292294616, 1261237247, 489366951}, true},
			{60, 19378537, finish, [3]uint32{3663246777, 1052167776, 732010170}, true},
			{64, 4797760, request, [3]uint32{699356668, 3896177842, 2994569166}, true},
			{66, 387188, finish, [3]uint32{3308554147, 1781340269, 1856711506}, false},
			{67, 91017386, tokenDies, [3]uint32{3913575900, 1228285264, 2632319614}, true},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			withoutCollector(func() {
				if b := run(t, p, nil); b != nil {
					tell(t, p, b)
				}
			})
		})
	}
}
