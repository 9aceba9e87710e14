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
		"unsaved tokens are refused in two processes, since the store went back": {seed: 11927, climate: climate{generated: false, skewed: false, life: 60000000000, sync: 2000000000, users: 0, programs: true, store: trouble{tail: 0, longest: 0, fails: 0, drops: 0, conflict: 0}, zoom: trouble{tail: 0, longest: 0, fails: 0, drops: 0, conflict: 0}}, steps: []step{
			{1, 2722337633, signIn, [3]uint32{3828929368, 1468846224, 3751476481}, true},
			{45, 9566413082, signIn, [3]uint32{143328888, 3187556786, 1324893637}, true},
			{78, 6403951548, signIn, [3]uint32{951854878, 3911978136, 1315688104}, true},
			{84, 4001230, finish, [3]uint32{1720650059, 70528819, 3130786717}, true},
			{86, 303251130, allow, [3]uint32{1492934589, 3293140312, 2803793285}, true},
			{89, 3766129, finish, [3]uint32{1520753912, 3841349678, 688128607}, true},
			{91, 3481871413, finish, [3]uint32{4017574667, 4259971463, 2219316252}, true},
			{92, 1286332622, signIn, [3]uint32{3302716797, 462066819, 1509287274}, true},
			{98, 5821947697, request, [3]uint32{2406052812, 1099607054, 3248607498}, true},
			{99, 2922645346, finish, [3]uint32{2184960026, 3625468121, 1384114857}, true},
			{100, 13126335823, signIn, [3]uint32{641228087, 2145019840, 1942952690}, true},
			{101, 2329552214, request, [3]uint32{2748424663, 596725880, 2281761684}, true},
			{102, 10107323511, storeGoesBack, [3]uint32{709676641, 2751281555, 3437628686}, true},
			{104, 1117943692, storeReadOnly, [3]uint32{3852826576, 3126478130, 524500982}, true},
			{105, 7930548070, tokenDies, [3]uint32{3890168827, 25337273, 76938045}, true},
			{106, 4709745083, signIn, [3]uint32{1913177251, 1586055307, 2111430182}, true},
			{110, 4030656431, request, [3]uint32{910437285, 1270471994, 2677919292}, true},
			{111, 3725582817, storeGoesBack, [3]uint32{417908776, 3441594208, 1902111985}, true},
		}},
		"unsaved tokens are refused beside a grant that is marked as dead": {seed: 34653, climate: climate{generated: false, skewed: false, life: 180000000000, sync: 10000000000, users: 0, programs: true, store: trouble{tail: 0.058076036472758955, longest: 4000000000, fails: 0, drops: 0, conflict: 0.08660917622453507}, zoom: trouble{tail: 0, longest: 0, fails: 0, drops: 0, conflict: 0}}, steps: []step{
			{25, 17938979, signIn, [3]uint32{1073518079, 482627482, 251207341}, true},
			{29, 28945619, finish, [3]uint32{791082533, 3114308524, 2669435233}, true},
			{33, 96548801492, signIn, [3]uint32{2128067907, 2983552332, 2051898213}, true},
			{104, 40589350, finish, [3]uint32{2615250168, 926199652, 2569466357}, true},
			{107, 40356284, signIn, [3]uint32{2371927792, 3560308026, 3391902437}, true},
			{120, 4234173, signIn, [3]uint32{236028768, 82183131, 4229946453}, true},
			{121, 11770132, finish, [3]uint32{3313084694, 3167096249, 1965033459}, true},
			{122, 51108518, request, [3]uint32{1727649120, 4221961416, 1929689935}, true},
			{125, 55947276, finish, [3]uint32{1326842501, 1631085940, 124942489}, true},
			{149, 60279472, deauthorize, [3]uint32{3125335529, 415089957, 3940519299}, true},
			{156, 2997009, storeGoesBack, [3]uint32{3694335048, 894832431, 3477189273}, true},
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
