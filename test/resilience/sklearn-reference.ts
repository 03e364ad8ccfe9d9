// Written by sklearn_reference.py with scikit-learn 1.9.1.
export const TEXTS = [
  {
    text: "I'm so happy today",
    count: 50,
    first: [
      [0, 0.1252951667682657],
      [13, 0.1252951667682657],
      [22, 0.21214315835147718],
    ],
    scores: [
      0.22634609328366817, 0.15131515071898502, 0.3571713653230259, 0.18618109659229928,
      0.009393611626446339, 0.04734560829188838, 0.022247074163686893,
    ],
  },
  {
    text: '\u4e0d\u662f\u4e0d\u5f00\u5fc3\uff0c\u53ea\u662f\u6709\u70b9\u7d2f',
    count: 27,
    first: [
      [8, 0.1751417106252791],
      [14, 0.1751417106252791],
      [44, 0.1751417106252791],
    ],
    scores: [
      0.1358496686054325, 0.09691920989163205, 0.11927860849409523, 0.12945089587978548,
      0.18808465151067488, 0.1988428801802993, 0.13157408543808055,
    ],
  },
  {
    text: '\uff33\uff4f\uff4f\uff4f\uff4f\uff4f\u3000good!!!!! https://a.b/c?d=1',
    count: 25,
    first: [
      [28, 0.15369024594577585],
      [36, 0.15369024594577585],
      [115, 0.42906619944710844],
    ],
    scores: [
      0.06628402890589405, 0.12492307993346972, 0.2746750015185703, 0.15779025479896538,
      0.253472917497582, 0.056065809498319706, 0.06678890784719876,
    ],
  },
  {
    text: '',
    count: 0,
    first: [],
    scores: [
      0.14981800956416005, 0.12266061142955194, 0.17118667508032628, 0.14015579429157315,
      0.13111672442216846, 0.14490639092064697, 0.14015579429157315,
    ],
  },
  {
    text: ' \u3000\ufeff ',
    count: 0,
    first: [],
    scores: [
      0.14981800956416005, 0.12266061142955194, 0.17118667508032628, 0.14015579429157315,
      0.13111672442216846, 0.14490639092064697, 0.14015579429157315,
    ],
  },
  {
    text: '\ud83d\ude00\ud83d\ude00 \u54c8\u54c8\u54c8\u54c8\u54c8',
    count: 11,
    first: [
      [49, 0.23480604446616543],
      [164, 0.23480604446616543],
      [220, 0.4927668503702455],
    ],
    scores: [
      0.18328076117177652, 0.3013281765413465, 0.19445709928674135, 0.13969186227439961,
      0.024931988126048358, 0.11592973358637412, 0.040380379013313504,
    ],
  },
  {
    text: 'don\u2019t you DARE',
    count: 40,
    first: [
      [14, 0.14655078850625697],
      [22, 0.14655078850625697],
      [55, 0.14655078850625697],
    ],
    scores: [
      0.28673777737231926, 0.05833434923383965, 0.13118315624868285, 0.2600213399948943,
      0.008112056539665843, 0.15339633521664617, 0.10221498539395175,
    ],
  },
  {
    text: '\u00c7\u00e0 et l\u00e0, l\u2019\u00e9t\u00e9 \u03a3\u0391\u03a3 \u0130',
    count: 60,
    first: [
      [4, 0.11128770046191436],
      [5, 0.11128770046191436],
      [15, 0.11128770046191436],
    ],
    scores: [
      0.12586715315712582, 0.29184937270392963, 0.17527998028770253, 0.2342243665449448,
      0.08190554747060219, 0.05573868315152327, 0.03513489668417179,
    ],
  },
  {
    text: '\ufdfa\u0000\t\n end',
    count: 55,
    first: [
      [5, 0.11559550151113443],
      [11, 0.11559550151113443],
      [19, 0.11559550151113443],
    ],
    scores: [
      0.2388452529557937, 0.28890774970205024, 0.2423287098158613, 0.08326964938767446,
      0.03813598504250473, 0.09371858819321639, 0.014794064902899204,
    ],
  },
  {
    text: 'a\ud800b',
    count: 9,
    first: [
      [176, 0.3333333333333333],
      [215, 0.3333333333333333],
      [221, 0.3333333333333333],
    ],
    scores: [
      0.12000028625912454, 0.2565937522900834, 0.165807497912651, 0.16881905765282804,
      0.041024145744754326, 0.08684811625256235, 0.1609071438879963,
    ],
  },
  {
    text: 'x\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301',
    count: 7,
    first: [
      [148, 0.2854706221078668],
      [149, 0.2854706221078668],
      [186, 0.2854706221078668],
    ],
    scores: [
      0.19001699625991786, 0.3030789180224591, 0.1411543612558189, 0.08957101275146737,
      0.0814966588248508, 0.09467634263625616, 0.10000571024922977,
    ],
  },
  {
    text: '0\u4eca\u5929\u5929\u6c14 good day 1\u4eca\u5929\u5929\u6c14 good day 2\u4eca\u5929\u5929\u6c14 good day 3\u4eca\u5929\u5929\u6c14 good day 4\u4eca\u5929\u5929\u6c14 good day 5\u4eca\u5929\u5929\u6c14 good day 6\u4eca\u5929\u5929\u6c14 good day 7\u4eca\u5929\u5929\u6c14 good day 8\u4eca\u5929\u5929\u6c14 good day 9\u4eca\u5929\u5929\u6c14 good day 10\u4eca\u5929\u5929\u6c14 good day 11\u4eca\u5929\u5929\u6c14 good day 12\u4eca\u5929\u5929\u6c14 good day 13\u4eca\u5929\u5929\u6c14 good day 14\u4eca\u5929\u5929\u6c14 good day 15\u4eca\u5929\u5929\u6c14 good day 16\u4eca\u5929\u5929\u6c14 good day 17\u4eca\u5929\u5929\u6c14 good day 18\u4eca\u5929\u5929\u6c14 good day 19\u4eca\u5929\u5929\u6c14 good day 20\u4eca\u5929\u5929\u6c14 good day 21\u4eca\u5929\u5929\u6c14 good day 22\u4eca\u5929\u5929\u6c14 good day 23\u4eca\u5929\u5929\u6c14 good day 24\u4eca\u5929\u5929\u6c14 good day 25\u4eca\u5929\u5929\u6c14 good day 26\u4eca\u5929\u5929\u6c14 good day 27\u4eca\u5929\u5929\u6c14 good day 28\u4eca\u5929\u5929\u6c14 good day 29\u4eca\u5929\u5929\u6c14 good day 30\u4eca\u5929\u5929\u6c14 good day 31\u4eca\u5929\u5929\u6c14 good day 32\u4eca\u5929\u5929\u6c14 good day 33\u4eca\u5929\u5929\u6c14 good day 34\u4eca\u5929\u5929\u6c14 good day 35\u4eca\u5929\u5929\u6c14 good day 36\u4eca\u5929\u5929\u6c14 good day 37\u4eca\u5929\u5929\u6c14 good day 38\u4eca\u5929\u5929\u6c14 good day 39\u4eca\u5929\u5929\u6c14 good day 40\u4eca\u5929\u5929\u6c14 good day 41\u4eca\u5929\u5929\u6c14 good day 42\u4eca\u5929\u5929\u6c14 good day 43\u4eca\u5929\u5929\u6c14 good day 44\u4eca\u5929\u5929\u6c14 good day 45\u4eca\u5929\u5929\u6c14 good day 46\u4eca\u5929\u5929\u6c14 good day 47\u4eca\u5929\u5929\u6c14 good day 48\u4eca\u5929\u5929\u6c14 good day 49\u4eca\u5929\u5929\u6c14 good day 50\u4eca\u5929\u5929\u6c14 good day 51\u4eca\u5929\u5929\u6c14 good day 52\u4eca\u5929\u5929\u6c14 good day 53\u4eca\u5929\u5929\u6c14 good day 54\u4eca\u5929\u5929\u6c14 good day 55\u4eca\u5929\u5929\u6c14 good day 56\u4eca\u5929\u5929\u6c14 good day 57\u4eca\u5929\u5929\u6c14 good day 58\u4eca\u5929\u5929\u6c14 good day 59\u4eca\u5929\u5929\u6c14 good day 60\u4eca\u5929\u5929\u6c14 good day 61\u4eca\u5929\u5929\u6c14 good day 62\u4eca\u5929\u5929\u6c14 good day 63\u4eca\u5929\u5929\u6c14 good day 64\u4eca\u5929\u5929\u6c14 good day 65\u4eca\u5929\u5929\u6c14 good day 66\u4eca\u5929\u5929\u6c14 good day 67\u4eca\u5929\u5929\u6c14 good day 68\u4eca\u5929\u5929\u6c14 good day 69\u4eca\u5929\u5929\u6c14 good day 70\u4eca\u5929\u5929\u6c14 good day 71\u4eca\u5929\u5929\u6c14 good day 72\u4eca\u5929\u5929\u6c14 good day 73\u4eca\u5929\u5929\u6c14 good day 74\u4eca\u5929\u5929\u6c14 good day 75\u4eca\u5929\u5929\u6c14 good day 76\u4eca\u5929\u5929\u6c14 good day 77\u4eca\u5929\u5929\u6c14 good day 78\u4eca\u5929\u5929\u6c14 good day 79\u4eca\u5929\u5929\u6c14 good day 80\u4eca\u5929\u5929\u6c14 good day 81\u4eca\u5929\u5929\u6c14 good day 82\u4eca\u5929\u5929\u6c14 good day 83\u4eca\u5929\u5929\u6c14 good day 84\u4eca\u5929\u5929\u6c14 good day 85\u4eca\u5929\u5929\u6c14 good day 86\u4eca\u5929\u5929\u6c14 good day 87\u4eca\u5929\u5929\u6c14 good day 88\u4eca\u5929\u5929\u6c14 good day 89\u4eca\u5929\u5929\u6c14 good day 90\u4eca\u5929\u5929\u6c14 good day 91\u4eca\u5929\u5929\u6c14 good day 92\u4eca\u5929\u5929\u6c14 good day 93\u4eca\u5929\u5929\u6c14 good day 94\u4eca\u5929\u5929\u6c14 good day 95\u4eca\u5929\u5929\u6c14 good day 96\u4eca\u5929\u5929\u6c14 good day 97\u4eca\u5929\u5929\u6c14 good day 98\u4eca\u5929\u5929\u6c14 good day 99\u4eca\u5929\u5929\u6c14 good day 100\u4eca\u5929\u5929\u6c14 good day 101\u4eca\u5929\u5929\u6c14 good day 102\u4eca\u5929\u5929\u6c14 good day 103\u4eca\u5929\u5929\u6c14 good day 104\u4eca\u5929\u5929\u6c14 good day 105\u4eca\u5929\u5929\u6c14 good day 106\u4eca\u5929\u5929\u6c14 good day 107\u4eca\u5929\u5929\u6c14 good day 108\u4eca\u5929\u5929\u6c14 good day 109\u4eca\u5929\u5929\u6c14 good day 110\u4eca\u5929\u5929\u6c14 good day 111\u4eca\u5929\u5929\u6c14 good day 112\u4eca\u5929\u5929\u6c14 good day 113\u4eca\u5929\u5929\u6c14 good day 114\u4eca\u5929\u5929\u6c14 good day 115\u4eca\u5929\u5929\u6c14 good day 116\u4eca\u5929\u5929\u6c14 good day 117\u4eca\u5929\u5929\u6c14 good day 118\u4eca\u5929\u5929\u6c14 good day 119\u4eca\u5929\u5929\u6c14 good day 120\u4eca\u5929\u5929\u6c14 good day 121\u4eca\u5929\u5929\u6c14 good day 122\u4eca\u5929\u5929\u6c14 good day 123\u4eca\u5929\u5929\u6c14 good day 124\u4eca\u5929\u5929\u6c14 good day 125\u4eca\u5929\u5929\u6c14 good day 126\u4eca\u5929\u5929\u6c14 good day 127\u4eca\u5929\u5929\u6c14 good day 128\u4eca\u5929\u5929\u6c14 good day 129\u4eca\u5929\u5929\u6c14 good day 130\u4eca\u5929\u5929\u6c14 good day 131\u4eca\u5929\u5929\u6c14 good day 132\u4eca\u5929\u5929\u6c14 good day 133\u4eca\u5929\u5929\u6c14 good day 134\u4eca\u5929\u5929\u6c14 good day 135\u4eca\u5929\u5929\u6c14 good day 136\u4eca\u5929\u5929\u6c14 good day 137\u4eca\u5929\u5929\u6c14 good day 138\u4eca\u5929\u5929\u6c14 good day 139\u4eca\u5929\u5929\u6c14 good day 140\u4eca\u5929\u5929\u6c14 good day 141\u4eca\u5929\u5929\u6c14 good day 142\u4eca\u5929\u5929\u6c14 good day 143\u4eca\u5929\u5929\u6c14 good day 144\u4eca\u5929\u5929\u6c14 good day 145\u4eca\u5929\u5929\u6c14 good day 146\u4eca\u5929\u5929\u6c14 good day 147\u4eca\u5929\u5929\u6c14 good day 148\u4eca\u5929\u5929\u6c14 good day 149\u4eca\u5929\u5929\u6c14 good day 150\u4eca\u5929\u5929\u6c14 good day 151\u4eca\u5929\u5929\u6c14 good day 152\u4eca\u5929\u5929\u6c14 good day 153\u4eca\u5929\u5929\u6c14 good day 154\u4eca\u5929\u5929\u6c14 good day 155\u4eca\u5929\u5929\u6c14 good day 156\u4eca\u5929\u5929\u6c14 good day 157\u4eca\u5929\u5929\u6c14 good day 158\u4eca\u5929\u5929\u6c14 good day 159\u4eca\u5929\u5929\u6c14 good day 160\u4eca\u5929\u5929\u6c14 good day 161\u4eca\u5929\u5929\u6c14 good day 162\u4eca\u5929\u5929\u6c14 good day 163\u4eca\u5929\u5929\u6c14 good day 164\u4eca\u5929\u5929\u6c14 good day 165\u4eca\u5929\u5929\u6c14 good day 166\u4eca\u5929\u5929\u6c14 good day 167\u4eca\u5929\u5929\u6c14 good day 168\u4eca\u5929\u5929\u6c14 good day 169\u4eca\u5929\u5929\u6c14 good day 170\u4eca\u5929\u5929\u6c14 good day 171\u4eca\u5929\u5929\u6c14 good day 172\u4eca\u5929\u5929\u6c14 good day 173\u4eca\u5929\u5929\u6c14 good day 174\u4eca\u5929\u5929\u6c14 good day 175\u4eca\u5929\u5929\u6c14 good day 176\u4eca\u5929\u5929\u6c14 good day 177\u4eca\u5929\u5929\u6c14 good day 178\u4eca\u5929\u5929\u6c14 good day 179\u4eca\u5929\u5929\u6c14 good day 180\u4eca\u5929\u5929\u6c14 good day 181\u4eca\u5929\u5929\u6c14 good day 182\u4eca\u5929\u5929\u6c14 good day 183\u4eca\u5929\u5929\u6c14 good day 184\u4eca\u5929\u5929\u6c14 good day 185\u4eca\u5929\u5929\u6c14 good day 186\u4eca\u5929\u5929\u6c14 good day 187\u4eca\u5929\u5929\u6c14 good day 188\u4eca\u5929\u5929\u6c14 good day 189\u4eca\u5929\u5929\u6c14 good day 190\u4eca\u5929\u5929\u6c14 good day 191\u4eca\u5929\u5929\u6c14 good day 192\u4eca\u5929\u5929\u6c14 good day 193\u4eca\u5929\u5929\u6c14 good day 194\u4eca\u5929\u5929\u6c14 good day 195\u4eca\u5929\u5929\u6c14 good day 196\u4eca\u5929\u5929\u6c14 good day 197\u4eca\u5929\u5929\u6c14 good day 198\u4eca\u5929\u5929\u6c14 good day 199\u4eca\u5929\u5929\u6c14 good day 200\u4eca\u5929\u5929\u6c14 good day 201\u4eca\u5929\u5929\u6c14 good day 202\u4eca\u5929\u5929\u6c14 good day 203\u4eca\u5929\u5929\u6c14 good day 204\u4eca\u5929\u5929\u6c14 good day 205\u4eca\u5929\u5929\u6c14 good day 206\u4eca\u5929\u5929\u6c14 good day 207\u4eca\u5929\u5929\u6c14 good day 208\u4eca\u5929\u5929\u6c14 good day 209\u4eca\u5929\u5929\u6c14 good day 210\u4eca\u5929\u5929\u6c14 good day 211\u4eca\u5929\u5929\u6c14 good day 212\u4eca\u5929\u5929\u6c14 good day 213\u4eca\u5929\u5929\u6c14 good day 214\u4eca\u5929\u5929\u6c14 good day 215\u4eca\u5929\u5929\u6c14 good day 216\u4eca\u5929\u5929\u6c14 good day 217\u4eca\u5929\u5929\u6c14 good day 218\u4eca\u5929\u5929\u6c14 good day 219\u4eca\u5929\u5929\u6c14 good day 220\u4eca\u5929\u5929\u6c14 good day 221\u4eca\u5929\u5929\u6c14 good day 222\u4eca\u5929\u5929\u6c14 good day 223\u4eca\u5929\u5929\u6c14 good day 224\u4eca\u5929\u5929\u6c14 good day 225\u4eca\u5929\u5929\u6c14 good day 226\u4eca\u5929\u5929\u6c14 good day 227\u4eca\u5929\u5929\u6c14 good day 228\u4eca\u5929\u5929\u6c14 good day 229\u4eca\u5929\u5929\u6c14 good day 230\u4eca\u5929\u5929\u6c14 good day 231\u4eca\u5929\u5929\u6c14 good day 232\u4eca\u5929\u5929\u6c14 good day 233\u4eca\u5929\u5929\u6c14 good day 234\u4eca\u5929\u5929\u6c14 good day 235\u4eca\u5929\u5929\u6c14 good day 236\u4eca\u5929\u5929\u6c14 good day 237\u4eca\u5929\u5929\u6c14 good day 238\u4eca\u5929\u5929\u6c14 good day 239\u4eca\u5929\u5929\u6c14 good day 240\u4eca\u5929\u5929\u6c14 good day 241\u4eca\u5929\u5929\u6c14 good day 242\u4eca\u5929\u5929\u6c14 good day 243\u4eca\u5929\u5929\u6c14 good day 244\u4eca\u5929\u5929\u6c14 good day 245\u4eca\u5929\u5929\u6c14 good day 246\u4eca\u5929\u5929\u6c14 good day 247\u4eca\u5929\u5929\u6c14 good day 248\u4eca\u5929\u5929\u6c14 good day 249\u4eca\u5929\u5929\u6c14 good day 250\u4eca\u5929\u5929\u6c14 good day 251\u4eca\u5929\u5929\u6c14 good day 252\u4eca\u5929\u5929\u6c14 good day 253\u4eca\u5929\u5929\u6c14 good day 254\u4eca\u5929\u5929\u6c14 good day 255\u4eca\u5929\u5929\u6c14 good day 256\u4eca\u5929\u5929\u6c14 good day 257\u4eca\u5929\u5929\u6c14 good day 258\u4eca\u5929\u5929\u6c14 good day 259\u4eca\u5929\u5929\u6c14 good day 260\u4eca\u5929\u5929\u6c14 good day 261\u4eca\u5929\u5929\u6c14 good day 262\u4eca\u5929\u5929\u6c14 good day 263\u4eca\u5929\u5929\u6c14 good day 264\u4eca\u5929\u5929\u6c14 good day 265\u4eca\u5929\u5929\u6c14 good day 266\u4eca\u5929\u5929\u6c14 good day 267\u4eca\u5929\u5929\u6c14 good day 268\u4eca\u5929\u5929\u6c14 good day 269\u4eca\u5929\u5929\u6c14 good day 270\u4eca\u5929\u5929\u6c14 good day 271\u4eca\u5929\u5929\u6c14 good day 272\u4eca\u5929\u5929\u6c14 good day 273\u4eca\u5929\u5929\u6c14 good day 274\u4eca\u5929\u5929\u6c14 good day 275\u4eca\u5929\u5929\u6c14 good day 276\u4eca\u5929\u5929\u6c14 good day 277\u4eca\u5929\u5929\u6c14 good day 278\u4eca\u5929\u5929\u6c14 good day 279\u4eca\u5929\u5929\u6c14 good day 280\u4eca\u5929\u5929\u6c14 good day 281\u4eca\u5929\u5929\u6c14 good day 282\u4eca\u5929\u5929\u6c14 good day 283\u4eca\u5929\u5929\u6c14 good day 284\u4eca\u5929\u5929\u6c14 good day 285\u4eca\u5929\u5929\u6c14 good day 286\u4eca\u5929\u5929\u6c14 good day 287\u4eca\u5929\u5929\u6c14 good day 288\u4eca\u5929\u5929\u6c14 good day 289\u4eca\u5929\u5929\u6c14 good day 290\u4eca\u5929\u5929\u6c14 good day 291\u4eca\u5929\u5929\u6c14 good day 292\u4eca\u5929\u5929\u6c14 good day 293\u4eca\u5929\u5929\u6c14 good day 294\u4eca\u5929\u5929\u6c14 good day 295\u4eca\u5929\u5929\u6c14 good day 296\u4eca\u5929\u5929\u6c14 good day 297\u4eca\u5929\u5929\u6c14 good day 298\u4eca\u5929\u5929\u6c14 good day 299\u4eca\u5929\u5929\u6c14 good day 300\u4eca\u5929\u5929\u6c14 good day 301\u4eca\u5929\u5929\u6c14 good day 302\u4eca\u5929\u5929\u6c14 good day 303\u4eca\u5929\u5929\u6c14 good day 304\u4eca\u5929\u5929\u6c14 good day 305\u4eca\u5929\u5929\u6c14 good day 306\u4eca\u5929\u5929\u6c14 good day 307\u4eca\u5929\u5929\u6c14 good day 308\u4eca\u5929\u5929\u6c14 good day 309\u4eca\u5929\u5929\u6c14 good day 310\u4eca\u5929\u5929\u6c14 good day 311\u4eca\u5929\u5929\u6c14 good day 312\u4eca\u5929\u5929\u6c14 good day 313\u4eca\u5929\u5929\u6c14 good day 314\u4eca\u5929\u5929\u6c14 good day 315\u4eca\u5929\u5929\u6c14 good day 316\u4eca\u5929\u5929\u6c14 good day 317\u4eca\u5929\u5929\u6c14 good day 318\u4eca\u5929\u5929\u6c14 good day 319\u4eca\u5929\u5929\u6c14 good day 320\u4eca\u5929\u5929\u6c14 good day 321\u4eca\u5929\u5929\u6c14 good day 322\u4eca\u5929\u5929\u6c14 good day 323\u4eca\u5929\u5929\u6c14 good day 324\u4eca\u5929\u5929\u6c14 good day 325\u4eca\u5929\u5929\u6c14 good day 326\u4eca\u5929\u5929\u6c14 good day 327\u4eca\u5929\u5929\u6c14 good day 328\u4eca\u5929\u5929\u6c14 good day 329\u4eca\u5929\u5929\u6c14 good day 330\u4eca\u5929\u5929\u6c14 good day 331\u4eca\u5929\u5929\u6c14 good day 332\u4eca\u5929\u5929\u6c14 good day 333\u4eca\u5929\u5929\u6c14 good day 334\u4eca\u5929\u5929\u6c14 good day 335\u4eca\u5929\u5929\u6c14 good day 336\u4eca\u5929\u5929\u6c14 good day 337\u4eca\u5929\u5929\u6c14 good day 338\u4eca\u5929\u5929\u6c14 good day 339\u4eca\u5929\u5929\u6c14 good day 340\u4eca\u5929\u5929\u6c14 good day 341\u4eca\u5929\u5929\u6c14 good day 342\u4eca\u5929\u5929\u6c14 good day 343\u4eca\u5929\u5929\u6c14 good day 344\u4eca\u5929\u5929\u6c14 good day 345\u4eca\u5929\u5929\u6c14 good day 346\u4eca\u5929\u5929\u6c14 good day 347\u4eca\u5929\u5929\u6c14 good day 348\u4eca\u5929\u5929\u6c14 good day 349\u4eca\u5929\u5929\u6c14 good day 350\u4eca\u5929\u5929\u6c14 good day 351\u4eca\u5929\u5929\u6c14 good day 352\u4eca\u5929\u5929\u6c14 good day 353\u4eca\u5929\u5929\u6c14 good day 354\u4eca\u5929\u5929\u6c14 good day 355\u4eca\u5929\u5929\u6c14 good day 356\u4eca\u5929\u5929\u6c14 good day 357\u4eca\u5929\u5929\u6c14 good day 358\u4eca\u5929\u5929\u6c14 good day 359\u4eca\u5929\u5929\u6c14 good day 360\u4eca\u5929\u5929\u6c14 good day 361\u4eca\u5929\u5929\u6c14 good day 362\u4eca\u5929\u5929\u6c14 good day 363\u4eca\u5929\u5929\u6c14 good day 364\u4eca\u5929\u5929\u6c14 good day 365\u4eca\u5929\u5929\u6c14 good day 366\u4eca\u5929\u5929\u6c14 good day 367\u4eca\u5929\u5929\u6c14 good day 368\u4eca\u5929\u5929\u6c14 good day 369\u4eca\u5929\u5929\u6c14 good day 370\u4eca\u5929\u5929\u6c14 good day 371\u4eca\u5929\u5929\u6c14 good day 372\u4eca\u5929\u5929\u6c14 good day 373\u4eca\u5929\u5929\u6c14 good day 374\u4eca\u5929\u5929\u6c14 good day 375\u4eca\u5929\u5929\u6c14 good day 376\u4eca\u5929\u5929\u6c14 good day 377\u4eca\u5929\u5929\u6c14 good day 378\u4eca\u5929\u5929\u6c14 good day 379\u4eca\u5929\u5929\u6c14 good day 380\u4eca\u5929\u5929\u6c14 good day 381\u4eca\u5929\u5929\u6c14 good day 382\u4eca\u5929\u5929\u6c14 good day 383\u4eca\u5929\u5929\u6c14 good day 384\u4eca\u5929\u5929\u6c14 good day 385\u4eca\u5929\u5929\u6c14 good day 386\u4eca\u5929\u5929\u6c14 good day 387\u4eca\u5929\u5929\u6c14 good day 388\u4eca\u5929\u5929\u6c14 good day 389\u4eca\u5929\u5929\u6c14 good day 390\u4eca\u5929\u5929\u6c14 good day 391\u4eca\u5929\u5929\u6c14 good day 392\u4eca\u5929\u5929\u6c14 good day 393\u4eca\u5929\u5929\u6c14 good day 394\u4eca\u5929\u5929\u6c14 good day 395\u4eca\u5929\u5929\u6c14 good day 396\u4eca\u5929\u5929\u6c14 good day 397\u4eca\u5929\u5929\u6c14 good day 398\u4eca\u5929\u5929\u6c14 good day 399',
    count: 485,
    first: [
      [0, 0.0189649998865979],
      [3, 0.0189649998865979],
      [6, 0.0189649998865979],
    ],
    scores: [
      0.1592644505047287, 0.15311564363445423, 0.32198682451677535, 0.1743214769553317,
      0.06684883794834542, 0.09824075615801213, 0.026222010282352437,
    ],
  },
];

export const FEATURES = {
  mean: [0.12144114736973499, 100.29705943667187, -1.0129096041948475, 3.017803424068113],
  std: [0.7002685561614906, 7.021498926872553, 0.07000079372675021, 3.5113386919380725],
  weight: [
    [-0.06763699346029156, 0.09458766069842815, -0.026950667238136664],
    [-0.04671176167643418, -0.03167588767515428, 0.07838764935158866],
    [0.0797361142705259, -0.08643537249828541, 0.006699258227759489],
    [0.02622292226360469, 0.05387234306296637, -0.08009526532657125],
  ],
  bias: [-0.13636632822775635, 0.5650377195007309, -0.42867139127297416],
  sample: [0.3, 104, -1.05, 1.0],
  scores: [0.23996197016393953, 0.5463923482300725, 0.21364568160598796],
  secondUnknown: [0.2443494176355085, 0.5519881592597996, 0.20366242310469185],
};
