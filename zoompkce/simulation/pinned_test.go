package simulation

import "testing"

// Plans that broke an invariant once, each shrunk to the least that did.
func TestPinned(t *testing.T) {
	for name, p := range map[string]*plan{
		"the grant of a sign-in that failed is lost": {seed: 10, climate: climate{generated: false, skewed: false, life: 60000000000, sync: 10000000000, store: trouble{tail: 0, longest: 0, fails: 0, drops: 0, conflict: 0}, zoom: trouble{tail: 0, longest: 0, fails: 0, drops: 0, conflict: 0}}, steps: []step{
			{0, 54837964248, signIn, [3]uint32{908413121, 2245118854, 292377969}, true},
			{33, 19185810, finish, [3]uint32{346000303, 1313688122, 3444352679}, true},
			{34, 27942075, storeReadOnly, [3]uint32{2272524732, 3543712499, 438530758}, true},
			{35, 1142769, request, [3]uint32{2799090915, 1625734501, 1424212768}, true},
			{37, 20194847, finish, [3]uint32{4258578116, 1183821320, 829689826}, true},
		}},
		"a session survives the logout of a dying grant": {seed: 360, climate: climate{generated: true, skewed: false, life: 60000000000, sync: 2000000000, store: trouble{tail: 0, longest: 0, fails: 0, drops: 0, conflict: 0}, zoom: trouble{tail: 0, longest: 0, fails: 0, drops: 0, conflict: 0}}, steps: []step{
			{133, 2501021826, signIn, [3]uint32{310724447, 3144796817, 2162617635}, true},
			{141, 3635788352, finish, [3]uint32{3629203383, 376674120, 404479185}, true},
			{149, 1429704725, deauthorize, [3]uint32{2438050297, 4161990040, 3092158977}, true},
			{164, 7827720064, request, [3]uint32{2535393551, 3013125780, 1693812651}, true},
			{166, 629361655, request, [3]uint32{3977859566, 2822700679, 2844501611}, true},
			{167, 1283375828, replay, [3]uint32{3857865526, 2375746964, 3010157575}, true},
			{168, 2844895570, request, [3]uint32{3245751802, 1823990819, 1699619011}, true},
			{171, 2025089260, request, [3]uint32{1397673452, 679981619, 1665564730}, true},
			{174, 2650669, signIn, [3]uint32{3870295066, 1297296647, 3659163685}, true},
			{182, 1979506922, request, [3]uint32{1789143900, 4236657694, 2910413783}, true},
			{183, 1500355904, request, [3]uint32{2658811724, 1843665715, 2695723552}, true},
			{185, 990675, finish, [3]uint32{747687369, 1269648544, 508524254}, true},
			{192, 3709772191, replay, [3]uint32{3103803791, 3782478943, 1301179380}, true},
		}},
		"a store that went back costs the newest tokens": {seed: 244, climate: climate{generated: false, skewed: false, life: 60000000000, sync: 60000000000, store: trouble{tail: 0, longest: 0, fails: 0, drops: 0, conflict: 0}, zoom: trouble{tail: 0, longest: 0, fails: 0, drops: 0, conflict: 0}}, steps: []step{
			{9, 3252055011, signIn, [3]uint32{3136462341, 2952816337, 869725893}, true},
			{11, 281483038, finish, [3]uint32{1925762724, 1002466224, 2559494606}, true},
			{66, 1364932457, signIn, [3]uint32{3548506121, 3577310094, 3731579428}, true},
			{68, 1407735, endUser, [3]uint32{3194764360, 2267448723, 2269506780}, true},
			{70, 480760215, finish, [3]uint32{3607322220, 1390182032, 1637800942}, true},
			{71, 74281458893, request, [3]uint32{605849153, 2858815924, 4255951484}, true},
			{108, 42678476819, request, [3]uint32{594992067, 946863115, 2552772453}, true},
			{109, 2692278, storeGoesBack, [3]uint32{2211591236, 2131696379, 286632775}, true},
		}},
		"records are sealed under a secret that is gone": {seed: 40, climate: climate{generated: true, skewed: false, life: 60000000000, sync: 10000000000, store: trouble{tail: 0, longest: 0, fails: 0, drops: 0, conflict: 0}, zoom: trouble{tail: 0, longest: 0, fails: 0, drops: 0, conflict: 0}}, steps: []step{
			{50, 2061995, signIn, [3]uint32{3272214960, 409558180, 1492909049}, true},
			{53, 971424, signIn, [3]uint32{3053848699, 2588337866, 1420549537}, false},
			{65, 20819677, storeGoesBack, [3]uint32{522741159, 3276425311, 2148534776}, true},
			{71, 61557410313, finish, [3]uint32{1723749271, 2314261358, 1308466575}, true},
		}},
		"a lease is over by another clock": {seed: 30, climate: climate{generated: false, skewed: true, life: 180000000000, sync: 10000000000, store: trouble{tail: 0.0430035827962117, longest: 300000000, fails: 0.02554745698666871, drops: 0, conflict: 0}, zoom: trouble{tail: 0, longest: 0, fails: 0, drops: 0, conflict: 0}}, steps: []step{
			{20, 26962685, signIn, [3]uint32{602275683, 3714365161, 1028288636}, true},
			{39, 4142537, finish, [3]uint32{3155846248, 3263975246, 2506425558}, true},
			{114, 226106236600, request, [3]uint32{1311752095, 3744483914, 4206618968}, true},
			{115, 4644956, request, [3]uint32{1429675971, 1359216725, 637966662}, true},
			{116, 4029065, replay, [3]uint32{441933250, 1121043884, 892322963}, true},
		}},
		"a cookie is cleared that opens under the newer secret": {seed: 237, climate: climate{generated: true, skewed: false, life: 60000000000, sync: 10000000000, store: trouble{tail: 0.18548159227463668, longest: 4000000000, fails: 0, drops: 0, conflict: 0}, zoom: trouble{tail: 0, longest: 0, fails: 0, drops: 0, conflict: 0}}, steps: []step{
			{76, 309549252, signIn, [3]uint32{1762551595, 1137627762, 3213462395}, true},
			{77, 1661976502, secretVanishes, [3]uint32{3105674051, 2646850181, 872268297}, true},
			{83, 815391342, signIn, [3]uint32{1081713026, 2393057566, 353796342}, true},
			{138, 11392799204, finish, [3]uint32{3268917759, 3022061883, 2118373893}, true},
		}},
		"a request gets the token that was refreshed on its way": {seed: 380, climate: climate{generated: false, skewed: false, life: 20000000000, sync: 60000000000, store: trouble{tail: 0, longest: 0, fails: 0, drops: 0, conflict: 0}, zoom: trouble{tail: 0, longest: 0, fails: 0, drops: 0, conflict: 0}}, steps: []step{
			{8, 32873997, signIn, [3]uint32{2592208795, 1432365599, 3217229286}, true},
			{14, 14276774, finish, [3]uint32{126523786, 2015518639, 1691748048}, true},
			{20, 17974711215, finish, [3]uint32{3682855387, 3783752824, 2607709406}, true},
			{21, 8199163, request, [3]uint32{697463856, 1967594511, 529594297}, false},
			{22, 47942367, request, [3]uint32{148419414, 1440377371, 2483481924}, true},
		}},
		"a sign-in whose question to Zoom is lost takes itself for the newer one": {seed: 683, climate: climate{generated: true, skewed: true, life: 20000000000, sync: 60000000000, store: trouble{tail: 0, longest: 0, fails: 0, drops: 0, conflict: 0}, zoom: trouble{tail: 0.13930280336611708, longest: 14000000000, fails: 0, drops: 0, conflict: 0.1877909271560781}}, steps: []step{
			{12, 18323110, signIn, [3]uint32{1958684551, 1394556106, 680751149}, true},
			{23, 50586737, reload, [3]uint32{2952501266, 2529273233, 2297413822}, true},
			{70, 868613, signIn, [3]uint32{2353588665, 1196584230, 411057923}, true},
			{72, 29203568, request, [3]uint32{3606060292, 2674623942, 3605908018}, true},
			{80, 1581549, secretVanishes, [3]uint32{3369994499, 1420166926, 1180920939}, true},
			{81, 2043948, signIn, [3]uint32{2960206230, 437454078, 1082536384}, true},
			{92, 11485842, finish, [3]uint32{1631998932, 2237548320, 3115044621}, true},
			{95, 15513124, signIn, [3]uint32{3344808508, 2991147619, 2438224376}, false},
			{101, 65441702, finish, [3]uint32{2505058488, 2122111555, 2186904803}, false},
			{102, 17583861, replay, [3]uint32{3491921557, 4220638568, 3045976281}, true},
			{103, 4622734, finish, [3]uint32{894835494, 767071205, 1880335416}, false},
			{104, 117017919, replay, [3]uint32{2226964828, 4183683177, 949728298}, true},
			{132, 872059, request, [3]uint32{4029076736, 2554383579, 2444851666}, false},
			{133, 12672592565, request, [3]uint32{350635260, 3445739518, 3903494164}, true},
		}},
		"an expired token is taken for a deauthorized user": {seed: 126, climate: climate{generated: false, skewed: false, life: 60000000000, sync: 60000000000, store: trouble{tail: 0, longest: 300000000, fails: 0.026976628886218205, drops: 0, conflict: 0}, zoom: trouble{tail: 0, longest: 0, fails: 0, drops: 0, conflict: 0}}, steps: []step{
			{27, 1394096578, signIn, [3]uint32{3003817619, 372691551, 666241263}, true},
			{57, 755480385, signIn, [3]uint32{2316450360, 4186100512, 1625101308}, true},
			{130, 2794378165, finish, [3]uint32{1091425482, 2031609453, 2425652910}, true},
			{137, 859659634, deauthorize, [3]uint32{3675319848, 1267804857, 1978436341}, true},
			{146, 640936144, finish, [3]uint32{426356533, 1982374287, 2510962867}, true},
			{147, 6802254910, request, [3]uint32{3495374547, 3328090442, 641930226}, true},
			{149, 16015445880, request, [3]uint32{2271748409, 2626591724, 882373859}, true},
			{166, 38173085229, deliver, [3]uint32{2097381994, 332508979, 1584813665}, true},
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
