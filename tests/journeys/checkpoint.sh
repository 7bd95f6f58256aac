# A checkpoint of the random walk's code, imported, and its table on DAVIS.
pixelkin encoder import crw.pth --out encoders/crw
pixelkin evaluate davis --root DAVIS --year 2017 --split val --weights encoders/crw \
  --out out/crw --json crw.json
