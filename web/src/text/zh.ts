// 应用的中文文字，与英文目录同形。

import type { Catalogue } from './en';

export const zh: Catalogue = {
  nav: {
    skip: '跳到正文', menu: '菜单', home: '首页', energy: '能耗', bills: '账单', money: '资金', agreements: '合约',
    meters: '表计', oversight: '监管', market: '市场', packages: '能源套餐', explorer: '账本浏览', consortium: '联盟',
    keys: '密钥', seat: '入座', block: (height) => `区块 ${height}`, unreachable: '无法连接节点',
  },
  common: {
    you: '（您）', copy: '复制', copied: '已复制', copyWhat: (what) => `复制：${what}`, loading: '正在加载…', again: '重试',
    csv: '存为 CSV', refused: '被拒绝', cancel: '取消', close: '关闭', more: '显示更多', save: '保存', yes: '是', no: '否', none: '无',
    optional: '可不填',
  },
  trouble: {
    offline: { what: '无法连接节点。', next: '请确认节点正在运行、网络正常，然后重试。没有丢失任何内容。' },
    notFound: { what: '此地址下没有内容。', next: '它可能在另一条链上，或尚未最终确认。请核对编号，或在账本浏览中查找。' },
    forbidden: { what: '您无权查看此内容。', next: '请以相关人员的身份登录。' },
    busy: { what: '节点繁忙。', next: '请稍候再试。' },
    failed: { what: '操作未成功。', next: '请重试。若再次发生，请把下面的内容告知节点运营方。' },
    nodeSays: '节点答复：',
  },
  missing: { title: '没有此页面', lead: '此地址在应用中不存在。', home: '回到首页' },
  unit: { kilowatt_hour: '千瓦时', gigajoule: '吉焦', cubic_metre: '立方米' },
  carrier: { electricity: '电', heating: '供暖', cooling: '供冷', hot_water: '热水', gas: '燃气', water: '自来水' },
  band: { flat: '平段', sharp: '尖峰', peak: '高峰', valley: '低谷', deep: '深谷' },
  period: { month: '月', quarter: '季', year: '年' },
  role: { owner: '产能方', user: '租户', meter_operator: '计量方', issuer: '发行方', supervisor: '监管方', validator: '验证方' },
  party: { owner: '卖方', user: '买方', further: (number: number) => `第${number}方` },
  purpose: { deposit: '保证金', guarantee: '付款担保', prepayment: '预付款' },
  held: { deposit: '保证金', guarantee: '付款担保', prepayment: '预付款', bond: '投标保证金' },
  kind: { purchase: '购能', subscription: '能源套餐', coded: '自定程序' },
  status: { proposed: '待签署', active: '执行中', stalled: '停滞', settled: '已结算', defaulted: '违约', terminated: '提前终止', declined: '已拒签', expired: '已过期' },
  step: { proposed: '已提出', signed: '已签署', active: '生效', amendment_proposed: '提出变更', amended: '变更生效', termination_requested: '请求终止', termination_withdrawn: '撤回终止请求', ending: '即将终止', stalled: '停滞', settled: '已结算', defaulted: '违约', terminated: '提前终止', declined: '已拒签', expired: '已过期' },
  offerStatus: { open: '接受报价', awarding: '待授标', closed: '已关闭', withdrawn: '已撤回' },
  quoteStatus: { submitted: '密封', replaced: '已替换', withdrawn: '已撤回', awarded: '已授标', forfeited: '已没收', lapsed: '已失效' },
  duration: { d: (n) => `${n} 天`, h: (n) => `${n} 小时`, m: (n) => `${n} 分钟` },
  welcome: {
    title: '公开透明的能源交易', lead: '报价、合约、读数、账单和付款都记在成员共同维护的账本上。凡涉及您的内容，您都可以在本浏览器中自行核验。',
    seat: '入座体验', seatLead: '此节点正在运行演示。点击一下，即可成为园区中的能源站、租户、计量方或其他任何人。', seatGo: '选择座位',
    key: '自己的密钥', keyLead: '新建密钥，或导入命令行的密钥文件。密钥只留在本浏览器中，别人不能替您签名。', keyGo: '管理密钥',
    look: '随意看看', lookLead: '区块、报价邀请和套餐都是公开的，无需登录即可查看。',
    figures: '链上概况', blocks: '区块', transactions: '交易', certificates: '认证读数', statements: '账单', circulating: '流通资金', members: '成员',
    conserved: '节点在每个区块之后核对：所有账户合计等于已发行的资金。', notConserved: '节点发现：账户合计不等于已发行的资金。',
  },
  home: {
    title: (name) => (name ? `${name}，您好` : '您好'), todo: '待您处理', today: '今天',
    estimate: '按账单的算法估算', costSoFar: '今日费用', byArea: '按面积计费',
    prepaid: '预付', daysLeft: (days) => `还可用 ${days} 天`, leftAt: (left, perDay) => `剩余 ${left}，近一周每天 ${perDay}`,
    until: (day) => `至 ${day}`, left: (left) => `尚有 ${left} 未用`, notUsed: '近一周没有使用', nothingPrepaid: '没有预付', low: '余额不足', topUp: '预付',
    byHour: '逐小时', more: '按日、月、年查看', lastBill: '最近账单', allBills: '全部账单',
    billOf: (from, to) => `${from} – ${to}`, unpaid: (amount) => `未付 ${amount}`, noBill: '还没有账单。第一份账单在月末之后出具。',
    noPackage: '您还没有能源套餐。', noPackageNext: '用自己的用能数据比较已发布的套餐，然后订购：',
    myOffers: '我的报价邀请', noOffers: '没有正在进行的报价邀请。', noOffersNext: '发布一个：卖什么、多少、何时、要价多少。报价密封送达，截止之前无人可读。',
  },
  todo: {
    sign: '签署合约', signWhy: (who) => `${who} 正在等您签署。`, owe: (amount) => `支付 ${amount}`, oweWhy: '有一份账单未能足额支付。',
    award: '开启报价并授标', awardWhy: (quotes) => `报价已截止，可开启 ${quotes} 份密封报价。`,
    backUp: '保存密钥', backUpWhy: '浏览器可能丢失存储的内容。在资金依赖它之前，请先保存密钥文件。',
  },
  chart: {
    walk: '用方向键逐条查看。', none: '无读数', spread: '分摊到缺口', read: '已读', before: '上期', time: '时间', mark: '标记', table: '以表格显示',
    spreadLong: '分摊到没有读数的时段', noneLong: '无读数', ahead: '尚未到来', beforeLong: '上一时段',
  },
  energy: {
    title: '能耗', lead: '您的表计所认证的数据。', none: '没有属于您的表计。', noneNext: '计量方为持有人登记表计。请计量方把您的表计绑定到您的账户。',
    span: '时段', day: '日', month: '月', year: '年', earlier: '更早', later: '更晚', change: (change) => `与上期同长时段相比 ${change}`,
  },
  bill: {
    title: '账单', lead: '您各合约的账单，最新的在前。每一份都可以在本浏览器中核验，直到每条读数。', none: '还没有账单。', noneNext: '套餐账单在月末六小时后出具；购能账单在结算时出具。',
    period: '时段', kind: '类型', with: '对方', issued: '出具', amount: '金额', unpaid: (amount) => `未付 ${amount}`, substituted: '含替代量', substitutedLong: '部分数量代表没有读数的时段，按双方签署的替代规则计算。',
    of: (period) => `账单 ${period}`, print: '打印', pdf: '保存为 PDF', pdfFailed: '无法取得 PDF。', due: '应付金额', paid: '已付', from: '卖方', to: '买方', contract: '合约', debt: '此后欠款',
    verify: '在本浏览器中核验此账单', holds: '此账单正确。', checkSignatures: (members, height) => `${members} 个成员的签名使账单所依据的每个区块都已最终确认，直到区块 ${height}。`,
    checkReadings: (count) => `${count} 条认证读数在成员签署的日志中，合计与账单数量一致。`, checkProgram: '在此重新运行合约程序，得到的正是这份账单。', checkLines: (count) => `下面显示的 ${count} 行与之逐行一致。`,
    took: (ms) => `用时 ${ms} 毫秒。`, differs: '节点显示的账单与成员签署的不同。', differsNext: (amount) => `经证明的金额为 ${amount}；下面各行取自证明。请不要按此节点的显示付款，并告知其运营方。`, fails: '此账单未能得到证明。',
    lineDiffers: (line) => `第 ${line} 行不同`, lines: '明细', asProven: '以证明为准', what: '项目', how: '计算', readings: '读数', readingsLead: '账单数量所依据的认证读数。', showReadings: '显示读数', noReadings: '此账单不依据读数。', readingCount: (count) => `${count} 条读数`,
    meter: '表计', time: '时间', quantity: '数量', register: '表底', where: (height, day) => `于区块 ${height} 出具，${day}。`,
  },
  line: {
    delivery: (carrier) => `${carrier}交付`, substituted: (quantity) => `其中替代 ${quantity}`, noReading: (carrier) => `${carrier}：完全没有读数`, forfeit: (who) => `${who}保证金没收`, shortfall: '短缺', defaultForfeit: (who) => `${who}保证金没收：无力支付`,
    usage: (carrier, band) => `${carrier}用量，${band}`, factor: '系数', energy: (carrier) => carrier, tranche: (number) => `第 ${number} 笔预付`, notPrepaid: '未预付', levy: (carrier) => `${carrier}附加费`,
    floorArea: (carrier) => `${carrier}按面积`, days: (days) => `${days} 天`, demand: (quantity, minutes) => `最高平均功率：${minutes} 分钟内 ${quantity}`, credit: (carrier) => `${carrier}：更正后退回`, tax: '增值税', clause: (number: number) => `第${number}条`, pays: (from: string, to: string) => `${from}付给${to}`, refund: (carrier, tranche) => `${carrier}：第 ${tranche} 笔预付退款`, withheld: (amount) => `扣回已用部分的折扣 ${amount}`,
  },
  money: {
    title: '资金', lead: '账户余额，以及每一笔变动及其原因。', balance: '余额', free: '可用', reserved: '已冻结', reservedWhy: '已冻结：您各合约的保证金、付款担保和预付款。', movements: '资金变动',
    provenBalance: (free, reserved) => `已证明：可用 ${free}，冻结 ${reserved}。`, pay: '付款', to: '收款方', toWrong: '请填写账户（64 位十六进制）或演示中的名称。', amount: '金额（¥）', amountWrong: '请填写金额，例如 12.50。', reference: '备注', review: '核对付款',
    none: '还没有资金变动。', noneNext: '发行方凭链外收到的款项发行资金。', time: '时间', what: '类型', who: '对方', for: '事由', agreement: '合约', offer: '报价邀请',
    move: { issue: '发行', redeem: '赎回', transfer: '付款', reserve: '冻结', release: '解冻', pay: '结算', forfeit: '没收', fall_back: '到期处理' },
  },
  proof: {
    otherChain: (seen) => `此节点的链与本浏览器最先见到的（${seen}）不同。在您于“联盟”页信任它之前，不相信也不签署其任何内容。`,
    verify: '在本浏览器中核验', checking: '正在核验…', notYet: '节点如此显示，尚未核验。', holds: '已在本浏览器中核验。', by: (height, members, ms) => `由本链 ${members} 个成员随区块 ${height} 签署；用时 ${ms} 毫秒。`,
    fails: '未能证明。', failsNext: '请不要依赖本页显示的内容。请询问其他成员的节点，并告知此节点的运营方。', other: '证明的是别的内容', differs: '节点显示的与所证明的不同',
  },
  consent: {
    title: '核对后签署', lead: '以下是您将签署的字节的内容，由保管密钥的部分读出。', as: '签署人', everything: '签署的全部内容', throwAway: '这是演示用的一次性密钥，不保护任何东西。', sign: '签署并发送',
    signed: '已签署', sending: '已发送；成员正在就区块达成一致…', final: (height) => `已在区块 ${height} 最终确认`, done: '完成', failed: '未执行。', locked: '您的密钥已锁定。请解锁后重试。', see: '在账本上查看',
  },
  terms: {
    to: '收款方', amount: '金额', reference: '备注', offer: '报价邀请', lots: '出售', window: '交付', gate: '报价截止', lapses: '授标截止', deposit: '双方保证金', guarantee: '付款担保', tolerance: '容差', package: '套餐', version: (version) => `第 ${version} 版`, services: '服务', allowance: '30 天内扣款上限', atMost: '至多', period: '时段',
    quote: '报价', sealed: '密封；授标后需再签署', sealedBinding: '密封且有约束力：授标即成立合约', awardTo: (who) => `授标给 ${who}`, agreement: '合约', digest: '条款摘要', carrier: '用于', readings: '读数', meters: '表计',
  },
  action: {
    propose_motion: '提出议案', vote_on_motion: '表决议案', prove_ready: '证明节点就绪', open_account: '开立账户', take_over_meters: '接管表计', issue: '发行资金', redeem: '赎回资金', transfer: '付款', publish_offers: '发布报价邀请', withdraw_offer: '撤回报价邀请', submit_quotes: '提交报价', withdraw_quote: '撤回报价', award: '授标', propose_agreement: '提出合约', sign_agreement: '签署合约', decline_agreement: '拒签合约',
    propose_amendment: '提出变更', sign_amendment: '签署变更', terminate: '终止合约', withdraw_termination: '撤回终止请求', pay_debt: '偿还欠款', command: '向程序发令', publish_index: '发布指数值', publish_program: '发布程序', register_meter: '登记表计', bind_meter: '绑定表计', rotate_meter_key: '更换表计密钥', change_meter_capacity: '变更表计容量', exchange_meter: '更换表计', retire_meter: '停用表计', record_readings: '记录读数', correct_readings: '更正读数', publish_package: '发布套餐', close_package: '关闭套餐', subscribe: '订购套餐', prepay: '预付',
  },
  event: {
    reserved: (who, sum, what) => `冻结${who} ${sum} 作为${what}`, released: (who, sum, what) => `解冻${who} ${sum}（${what}）`, paid: (from, to, sum) => `${from}向${to}支付 ${sum}`, forfeited: (by, to, sum) => `${by}的 ${sum} 没收归${to}`, fellBack: (who, sum) => `到期处理${who}的 ${sum}`,
    proposed: (id, by) => `合约 ${id} 待签署，截至 ${by}`, status: (id, status) => `合约 ${id}：${status}`, amended: (id) => `合约 ${id} 条款已变更`, certified: (count, refused) => `认证 ${count} 条读数${refused ? `，拒绝 ${refused} 条` : ''}`, gap: (meter, window) => `表计 ${meter}：${window} 无读数`,
    statement: (number, window, sum) => `第 ${number} 份账单，${window}：${sum}`, segment: (meter, window) => `表计 ${meter}：${window} 表底已结`, prepaid: (carrier, sum) => `为${carrier}预付 ${sum}`, opened: (carrier, number, sum) => `${carrier}：第 ${number} 笔预付 ${sum} 已启用`, low: (carrier) => `${carrier}：预付余额不足`, exhausted: (carrier) => `${carrier}：预付已用完`, debt: (who, sum) => `${who}现欠 ${sum}`,
    ending: (id, at) => `合约 ${id} 将于 ${at} 终止`, missing: (meter, at) => `表计 ${meter}：${at} 缺读数`, lapsed: (offer) => `报价邀请 ${offer} 已失效`, corrected: (meter, reason) => `表计 ${meter} 已更正：${reason}`,
  },
  refusal: {
    insufficient_funds: '账户可用 {free}，需要 {needed}。', missing_role: '此操作需要“{role}”角色，该成员没有。', gate_closed: '报价已于 {gate} 截止；当时为 {now}。', gate_open: '报价到 {gate} 才截止；当时为 {now}。截止后方可开启。', gate_in_past: '截止时间 {gate} 已过：当时为 {now}。', above_lot: '需要{carrier} {wanted}，标的只剩 {left}。', beyond_capacity: '表计通过 {quantity}，至多只能通过 {most}。', capacity_exceeded: '{hour} 这一小时已售 {sold}，又要 {wanted}；产能为 {capacity}。', signing_over: '应在 {sign_by} 之前签署；当时为 {now}。', wrong_terms: '签署的条款与现行条款不同。请重新阅读后签署。', replayed: '{time} 的读数此前已认证。', out_of_order: '{time} 的读数晚于 {last} 的读数到达。', from_future: '读数时间 {time} 在未来：当时为 {now}。', went_back: '表底从 {last} 倒退到 {register}。', own_offer: '不能对自己的报价邀请报价。', bad_opening: '开启的报价与承诺的不符。', wrong_status: '合约当前状态不允许此操作：{status}。', already_signed: '您已经签署。', above_debt: '{amount} 超过欠款 {owed}。', buys_nothing: '付款太少，买不到任何数量。', delivery_begun: '交付开始时间 {from} 已过：当时为 {now}。', no_capacity: '没有申报{carrier}产能：由理事会决定。', price_too_high: '{carrier}的价格高于上限 {max}。', quote_awarded: '该报价已授标。', unknown_account: '账户尚未开立。', period_runs: '已预付的时段到 {until} 为止。', above_at_most: '该时段费用为 {amount}，超过同意的 {at_most}。', bad_lapse: '授标应在截止 {gate} 与交付开始 {from} 之间；填写的是 {lapses}。', gate_after_delivery: '截止时间 {gate} 晚于交付开始 {from}。',
  },
  market: {
    title: '市场', lead: '待售能源。报价是密封的：截止之前，包括卖方在内无人可读。', publish: '发布报价邀请', open: '进行中', all: '全部', none: '这里还没有报价邀请。', noneNext: '产能方发布后会立即出现在这里。', offer: '报价邀请', seller: '卖方', lots: '出售', gate: '报价截止', delivery: '交付', quotes: (count) => `${count} 份报价`, quotesHead: '报价', status: '状态', price: '要价', quantity: '数量', awarded: '已授',
    closesIn: (time) => `${time}后截止`, closed: '已截止', terms: '条款', bond: '投标保证金', substitute: '无读数时', substituteNothing: '不计', substituteProRata: '按缺失时间比例计', grace: '迟到读数有效期', signing: '签署期限', notice: '说明',
    quoted: '报价', yourQuote: '您的报价', quoteLead: '在本浏览器中密封给卖方的密钥。截止之前可以替换。', want: '数量', offerPrice: '您的价格', meter: '您的表计', noMeter: '此标的需要您的表计；您的账户没有绑定。', binding: '有约束力：授标即成立合约', seal: '密封并核对', quoteWrong: '请至少为一个标的填写数量和价格。', submitted: '您在此已有报价。再次提交即替换。', reserves: (sum) => `若全部授标，约 ${sum} 将作为保证金和付款担保冻结。`, value: (sum) => `报价金额：${sum}`,
    openQuotes: '开启报价', openLead: '用您的密封密钥在本浏览器中开启。未授标的报价保持秘密。', opened: '已开启的报价', cannotOpen: '您的密封密钥无法开启', noSealKey: '密封这些报价的密钥不在本浏览器中。请在发布时所用的浏览器中开启，或导入其密钥文件。', bidder: '报价方', choose: '选择', total: '金额', left: (left) => `选择后剩余 ${left}`, overLot: '选择超过标的数量。请取消一份。', award: '授标并核对', sealedAt: '收到', sealed: '密封', quotesOwn: '每份只向其出价方和卖方显示。', noQuotes: '还没有报价。报价会实时密封送达。', waitGate: '截止之前保持密封。', agreementMade: '合约',
    newTitle: '发布报价邀请', newLead: '标的、交付、截止、条款。签署之前，下面会说明其含义。', name: '给读者的说明', addLot: '添加标的', removeLot: '移除', lot: (number) => `标的 ${number}`, carrier: '能源', asking: '要价', deliveryFrom: '交付开始', deliveryTo: '交付结束', gateAt: '报价截止', lapsesAt: '授标截止', hint: (zone) => `时间为 UTC${zone}，整点。`, deposit: '双方保证金，%', guarantee: '买方付款担保，%', tolerance: '容差，%', userMetered: '买方指定自己的表计', deliveryMeter: '证明交付的本方表计', noDeliveryMeter: '无', preview: '含义', worth: (sum) => `按要价全部价值 ${sum}。`, youReserve: (sum) => `授标后您最多冻结保证金 ${sum}。`, theyReserve: (sum) => `买方最多冻结 ${sum}。`, perHour: (rate) => `交付期内每小时 ${rate}`, review: '核对报价邀请', wrong: '有些字段需要修改，见各字段说明。', wrongQuantity: '请填写数量，例如 1,200。', wrongPrice: '请填写价格，例如 0.62。', wrongOrder: '截止、授标、交付须依次在未来。', wrongSide: '至少一方须计量：指定您的表计，或让买方指定。', wrongPercent: '请填写 0 到 100 的百分比。', needsOwner: '只有产能方可以发布。请坐产能方的座位，或请验证方授予角色。', needsUser: '只有租户可以报价。', published: '您的报价邀请已发布。', seeOffer: '查看',
  },
  agreement: {
    title: '合约', lead: '按双方签署的内容自动执行的合约。', none: '还没有合约。', noneNext: '授标或订购套餐即产生合约。', what: '类型', with: '对方', status: '状态', since: '自', statements: '账单', of: (kind) => `${kind}合约`, id: '合约', text: '约定内容', seller: '卖方', buyer: '买方', timeline: '经过', statementsOf: '账单', noStatements: '还没有账单。', sign: '签署', decline: '拒签', signLead: (by) => `请在 ${by} 之前签署。签署即冻结您的保证金和担保。`, signed: '您已签署，对方尚未签署。', digest: '条款摘要', money: '本合约的资金', more: '原始条款', trace: '从邀请到付款', prepay: '预付', end: '终止', endLead: '终止时退回未用部分；已用部分按未打折的价格计算。', endGo: '核对终止', signatures: '签名', noSignatures: '还没有签名。', readings: '读数', noEvents: '还没有。',
    clause: {
      volume: (seller, buyer) => `${seller}出售、${buyer}购买：`, window: (window) => `交付：${window}。`, settles: (at) => `迟到读数期限之后，于 ${at} 结算。`, meters: '交付量取卖方与买方表计中较小者；只有一方计量时以该表计为准。', deposit: (rate) => `双方各冻结价值的 ${rate} 作为保证金。`, guarantee: (rate) => `买方冻结价值的 ${rate} 作为付款担保。`, tolerance: (rate) => `偏差在 ${rate} 以内无后果；超出部分按比例没收保证金。`, nothing: '没有读数证明的视为未交付。', proRata: '没有读数的时段按时间比例计入，账单会注明。',
      package: (name, version) => `能源套餐 ${name}，第 ${version} 版；新版须双方签署才生效。`, service: (carrier) => carrier, metered: (price) => `按表计量，${price}；每笔预付的金额决定折扣。`, byPeriod: (price) => `按表计量，${price}；预付时段的长短决定折扣。`, area: (price, area) => `按面积，每平方米每季 ${price}，${area}。`, allowance: (sum) => `预付之外，账单在 30 天内至多从可用余额扣款 ${sum}。`, notice: (days) => `卖方可提前 ${days} 天通知终止；您可随时终止。`, monthly: '每月结束六小时后出具账单。', coded: '条款属于双方自定的程序。',
    },
  },
  prepay: {
    title: '预付', lead: '一次付得越多，所购单价越低。', leadPeriod: '时段越长，单价越低。', amount: '金额（¥）', unitPrice: '单价', discount: '折扣', from: '起', buys: (quantity) => `按平段价约可购 ${quantity}`, slider: '金额', period: '时段', atMost: '至多支付（¥）', review: '核对预付', wrong: '请填写金额，例如 10,000。', tranches: '预付记录', none: '还没有预付。', number: '序号', paid: '已付', charged: '账单已扣（净额，不含附加费与税）', left: '剩余', when: '时间', waiting: '下一条读数后启用', choose: (carrier) => `预付${carrier}`,
  },
  package: {
    title: '能源套餐', lead: '在售的能源套餐：一份合约包含电、暖、冷、水。', none: '还没有发布套餐。', noneNext: '由能源站发布套餐。', name: '套餐', seller: '卖方', version: (version) => `第 ${version} 版`, closed: '不再接受新订购', since: '发布', tariffs: '资费', adviser: '顾问：按您自己的用能', adviserLead: (from, to) => `按您的表计在 ${from} – ${to} 认证的用量，各资费本应收取的费用。在本浏览器中按账单算法计算。`, adviserNone: '您的表计还没有可比较的认证数据。', cheapest: '最便宜', tariff: '资费', cost: '本应收取', condition: '条件', topUp: (from) => `每次预付 ${from} 以上`, noPrepay: '小额预付', byPeriod: (period) => `按${period}预付`, metered: '按表', metered_by_period: '按表和时段', floor_area: '按面积', price: '价格', steps: '分档', vat: '增值税', grace: '宽限', area: '建筑面积（m²）', areaHint: '用于按面积的资费。', lowBalance: '剩余低于此数时提醒', allowance: '30 天内扣款上限（¥）', allowanceHint: '预付之外账单可从可用余额扣款的上限。没有上限时，超出预付的用量成为欠款。', subscribe: '订购', subscribeLead: '为每项服务选择资费。只签署一次；未经双方签署，您的选择不会改变。', without: '不选', noMeter: '需要您的表计', review: '核对订购', chooseOne: '请至少选择一项服务。', subscribed: '已订购。接下来请预付：', toAgreement: '查看合约', bandsTitle: '时段', factor: (band, factor) => `${band} ${factor}`, needsUser: '订购适用于租户。', why: (cheap, next) => `比次优的“${next}”少 ${cheap}。`,
  },
  meter: {
    title: '表计', lead: '最需要关注的排在前面。', none: '这里没有表计。', noneNext: '计量方登记表计，并绑定到持有人。', of: (carrier) => `${carrier}表`, holder: '持有人', operator: '计量方', last: '最近读数', silent: (time) => `${time}无读数`, fine: '正常', retired: '已停用', gaps: '缺口', refused: '更正', devices: '设备', register: '表底', readings: '读数', capacity: '每小时容量', since: '启用于', authority: '签名者', own: '表计自己的密钥', gateway: '网关代签', width: '表底翻转于', id: '表计', state: '状态', recent: '最近几天', events: '经过', noEvents: '没有缺口、更正或更换。', all: '全部表计', mine: '我的', carrier: '能源', trading: '交易编号', latest: '最近的认证',
  },
  oversight: {
    title: '监管', lead: '全体成员可见的合计，以及监管者以签署的理由可以查看的内容。', refusals: '按原因统计的拒绝', reason: '原因', rule: '规则', transactions: '交易', readings: '读数', awards: '授标', agreements: '合约', kind: '类型', status: '状态', count: '数量', money: '资金', issued: '已发行', redeemed: '已赎回', circulating: '流通', inAccounts: '账户合计', conserved: '每个区块之后，账户合计都等于已发行的资金。', violated: (height) => `自区块 ${height} 之后，账户合计不再等于已发行的资金。`, debts: '欠款', noDebts: '没有欠款。', owes: '欠款', who: '谁', troubled: '需要关注的表计', noTroubled: '所有表计正常。', look: '带理由查看', lookLead: '您签署的理由先写入节点的日志，全体成员可读；之后您可在一刻钟内查看所选类别。', category: '类别', categories: { accounts: '账户', trade: '交易与合约', meters: '表计' }, subject: '对象', subjectHint: '合约、表计或账户的编号；留空表示全部。', subjectWrong: '没有这样的编号：请写出合约、表计（32 位）或账户（64 位）的完整编号。', subjectKind: '对象类型', everything: '全部', why: '理由', whyWrong: '请写明理由。', go: '签署理由并查看', seen: '查看结果', until: (time) => `可查看至 ${time}。`, nothingSeen: '此类别中没有相应内容。', log: '监管日志', logLead: '监管者何时查看了哪一类内容；有关各方还可看到对象和理由。', noLog: '还没有监管者查看过他人的内容。', by: '监管者', of: '对象', hidden: '不涉及您', concerns: '涉及您', accounts: '账户', none: '没有拒绝。',
  },
  consortium: {
    title: '联盟', lead: '谁在维护账本，按什么规则。', members: '成员', member: '成员', roles: '角色', accounts: '账户', since: '接纳于', genesisBlock: '创始', validators: '验证方', key: '密钥', node: '本节点', chain: '链', kind: '类型', production: '生产', development: '开发：时间由人工推进', height: '最新区块', indexed: '读模型位于', pool: '等待中的交易', version: '版本', limits: '一个成员可让其他成员保存的上限', genesis: '创世文件', stateRoot: '状态根', trusted: '本浏览器信任最先见到的链。',
    trustAnew: '改为信任此链', membersOnly: '成员名单只向成员显示。', admit: '接纳成员', admitLead: '新成员在自己的浏览器中建立密钥，并把由该密钥签署的第一个账户交给您。由您决定其角色。', admitAccount: '对方提供的第一个账户', admitWrong: '这不是已签署的账户。', admitRoles: '角色', admitRolesWrong: '请至少选择一个角色。', admitGo: '核对接纳',
    limit: { accounts: '账户', offers: '报价邀请', quotes: '报价', proposals: '提议', meters: '表计', packages: '套餐版本', subscriptions: '订购', motions: '议案', programs: '程序', daily_fuel: '程序每日燃料', written_agreements: '自写程序的协议', pooled: '等待中的交易' },
  },
  council: {
    title: '理事会', seats: '席位', threshold: '决议所需赞成票', epoch: '纪元', until: (height) => `至区块 ${height}`, endless: '本链的验证方不会改变。', inForce: '参与共识', wanted: '就绪后自下一纪元起', leaves: '已免去，参与共识至纪元结束', moves: (to) => `自下一纪元起地址为 ${to}`, motions: '议案', motion: '议案', none: '尚无议案。', noneNext: '理事会成员可提议接纳成员，或变更角色、配额、容量或验证方。', reason: '理由', proposer: '提出者', closes: '开放至', votes: '表决', noVotes: '尚无', vote: '表决', inFavour: '赞成', against: '反对', voteFor: '赞成', voteAgainst: '反对', digest: '议案摘要', member: '成员', account: '账户', roles: '角色', key: '节点密钥', address: '地址', perHour: '每小时', from: '原运营方', usualLimits: '创世文件所定',
    status: { open: '表决中', carried: '已通过', rejected: '已否决', lapsed: '已过期', failed: '已通过但未生效' },
    decision: { admit_member: '接纳成员', remove_member: '移除成员', change_roles: '变更成员角色', change_limits: '变更成员配额', appoint_validator: '节点参与共识', dismiss_validator: '节点退出共识', declare_capacity: '申报容量', hand_over_meters: '移交表计' },
  },
  explorer: {
    title: '账本浏览', lead: '账本的区块，以及其中您可以查看的内容。', search: '查找', find: '查找', searchHint: '区块高度、编号或哈希，或您认识的名称。', nothing: (wanted) => `没有找到“${wanted}”。`, kind: { block: '区块', transaction: '交易', account: '账户', offer: '报价邀请', agreement: '合约', meter: '表计', package: '套餐', member: '成员', motion: '议案' },
    blocks: '区块', height: '高度', time: '时间', transactions: '交易', receipts: '答复', digest: '摘要', newest: '最新', newer: '较新', older: '较旧', refused: '拒绝', block: (height) => `区块 ${height}`, previous: '上一个', next: '下一个', parent: '父区块', stateRoot: '状态根', transactionsRoot: '交易根', receiptsRoot: '答复根', certificationRoot: '认证根', proposer: '提议者', noTransactions: '此区块没有交易：其中的事项自行到期。', noReceipts: '没有发生任何事。', partial: '此区块中属于他人的内容已略去：交易只向有关各方显示，或向持有其哈希者显示。', raw: '原始内容', fromGenesis: '来自创世文件', transaction: '交易', dueAt: (at) => `于 ${at} 到期`, applied: '已执行', more: (count) => `另有 ${count} 条`, by: '发起人', inBlock: '所在区块', hash: '哈希', answer: '账本的答复', provenTransaction: '该交易在已最终确认的区块中，所显示的答复正是成员签署的答复。',
  },
  refusals: { title: '拒绝', lead: '账本拒绝了与您有关的哪些内容、为什么。拒绝不改变任何内容。', none: '没有拒绝。', count: (count) => `${count} 条拒绝` },
  account: { account: '账户', member: '成员', roles: '角色', nonce: '已有交易', name: '您给它的名称', nameHint: '只保存在本浏览器中。', noMeters: '没有绑定表计。', notYours: '账户的余额、合约和表计只向有关各方显示。' },
  seat: {
    locked: '您的密钥已锁定。属于您的内容，节点只向您的密钥显示。', noSession: '节点没有接受您的登录。',
    needed: '此页面显示您自己的事务。', neededSeat: '请在演示中入座，或打开自己的密钥。', neededKey: '请打开或新建密钥。', take: '入座', signIn: '打开密钥', leave: '离座', nobody: '您尚未登录。', throwAway: '一次性密钥', notOpen: '账户尚未开立',
    title: '入座', lead: '成为园区中的任何人。密钥是演示用的一次性密钥：不保护任何东西，人人都有。', noSeats: '此节点没有运行演示。', noSeatsNext: '用“make demo”启动演示，或使用自己的密钥。', sit: (name) => `以 ${name} 入座`, here: '您坐在这里', area: (area) => `${area} m²`, groups: { station: '能源站', owners: '屋顶光伏', tenants: '租户', offices: '链上机构' },
    categories: { 'energy station': '能源站', 'meter operator': '计量方', issuer: '发行方', supervisor: '监管方', 'roof owner': '屋顶光伏', office: '办公', commercial: '商业', garage: '车库', hotel: '酒店', other: '其他' },
    clock: '推进时钟', clockLead: (now) => `链上时间为 ${now}。时间静止，直到被推进；其间到期的事项立即发生。`, hour: '一小时', day: '一天', month: '一个月', moving: '时钟正在推进…', moved: (now) => `现在是 ${now}。`, noReadings: '演示播放结束之后，表计不再自行产生读数。',
  },
  keys: {
    title: '密钥', lead: '密钥留在本浏览器中，以命令行的密钥文件形式保存，受您的口令保护。', none: '本浏览器中没有您的密钥。', create: '新建密钥', createLead: '账户是其密钥的哈希。由验证方或您所属的成员接纳到链上。', name: '名称', kind: '类型', passphrase: '口令', passphraseHint: '至少 8 个字符；四个随机词更好。', repeat: '再次输入口令', repeatWrong: '两次输入不同。', short: '少于 8 个字符。', make: '新建密钥', making: '正在加大猜测成本…', import: '导入密钥文件', importLead: '“utilidor keys”的密钥文件，或本应用的备份。', file: '密钥文件', importGo: '打开并保存', importing: '正在打开…', importWrong: '文件或口令不正确。', account: '账户', backUp: '保存密钥文件', backedUp: '已保存到浏览器之外', notBackedUp: '尚未保存', use: '使用', inUse: '使用中', remove: '从本浏览器移除', removeSure: '没有保存文件，密钥将永远丢失。确定移除？', lock: '锁定', unlock: '解锁', unlockTo: '口令（用于签署）', unlockToSee: '口令，用于向节点证明您的身份', opening: '正在打开…', wrong: '口令无法打开密钥。', backUpFirst: '在资金依赖密钥之前，请先保存。', backUpFirstWhy: '浏览器可能丢失存储的内容；没有文件，密钥将永远丢失。', locksSoon: '似乎没有人在：密钥将在一分钟后锁定。', stay: '我在', sealKey: '密封报价用的密钥', admit: '申请接纳', admitLead: '请交给链上的验证方：您的第一个账户，由其自身密钥签署。', open: '已打开', locked: '已锁定', created: '密钥已建立。请立即保存其文件。',
  },
};
