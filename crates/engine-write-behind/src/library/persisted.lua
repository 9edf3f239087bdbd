-- What is persisted may be let go

local function set_bits(hashes)
  local filter = meta.filters - 1
  local words = FILTER_WORDS * 2 ^ math.min(filter, FILTER_DOUBLINGS)
  local masks, order = {}, {}
  local function add(index, mask)
    if not masks[index] then order[#order + 1] = index end
    masks[index] = bit.bor(masks[index] or 0, mask)
  end
  for _, hash in ipairs(hashes) do
    local one, two, mask_one, mask_two = struct.unpack('>I4I4I4I4', hash)
    add(one % words, mask_one)
    add(two % words, mask_two)
  end
  for from = 1, #order, 500 do
    local get, set = {}, {}
    local to = math.min(from + 499, #order)
    for i = from, to do
      get[#get + 1] = 'GET'
      get[#get + 1] = 'u32'
      get[#get + 1] = string.format('#%d', order[i])
    end
    local found = redis.call('BITFIELD', FILTER .. filter, unpack(get))
    for i = from, to do
      local word = bit.bor(found[i - from + 1], masks[order[i]])
      set[#set + 1] = 'SET'
      set[#set + 1] = 'u32'
      set[#set + 1] = string.format('#%d', order[i])
      set[#set + 1] = number(word % HALF)
    end
    redis.call('BITFIELD', FILTER .. filter, unpack(set))
  end
  meta.filter_used = meta.filter_used + #hashes
  if meta.filter_used >= words * 2 then
    meta.filters, meta.filter_used = meta.filters + 1, 0
  end
end

-- token, the position up to which all of it is persisted, seconds, (key, hash, '1' where its outcome
-- may be forgotten after the seconds)
local function forget(_, args)
  local why = refused(args[1])
  if why then return { why } end
  local hashes = {}
  for i = 4, #args, 3 do
    if args[i + 1] ~= '' then hashes[#hashes + 1] = args[i + 1] end
  end
  set_bits(hashes)
  meta.let_go = math.max(meta.let_go, tonumber(args[2]))
  write_meta(meta)
  for i = 4, #args, 3 do
    if args[i + 2] == '1' then redis.call('EXPIRE', args[i], args[3]) end
  end
  return { 'OK' }
end

-- token, position, (account id, newest entry number persisted)
local function trim(_, args)
  local why = refused(args[1])
  if why then return { why } end
  local position = tonumber(args[2])
  if position <= meta.trimmed or position > meta.position then return { 'OK' } end
  for i = 3, #args, 2 do
    local text = redis.call('GET', ACCOUNT .. args[i])
    local key = ENTRIES .. args[i]
    local count = unpack_account(text).count
    local first = count - redis.call('LLEN', key) + 1
    local keep = math.min(count - ENTRIES_KEPT, tonumber(args[i + 1])) + 1
    if keep > first then redis.call('LTRIM', key, keep - first, -1) end
  end
  redis.call('XTRIM', STREAM, 'MINID', number(position + 1) .. '-0')
  meta.trimmed, meta.let_go = position, math.max(meta.let_go, position)
  write_meta(meta)
  return { 'OK' }
end
