# One labelled frame of a DeepLabCut project: all frames, for training and as predictions.
cd project
pixelkin propagate labeled-data/mouse --labels labeled-data/mouse/CollectedData_me.csv --out ../out
pixelkin convert ../out mouseDLC_pixelkin.csv --as predictions --scorer pixelkin
pixelkin convert ../out given/CollectedData_me.csv --as labels --scorer me
